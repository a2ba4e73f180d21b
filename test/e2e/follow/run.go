package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// waitDelay is how long commands that outlive the shell may hold its output open.
const waitDelay = 5 * time.Second

var errEndedEarly = errors.New("the shell has ended before the page")

// step is a block of commands, and what the page shows of its output; nil where it shows none.
type step struct {
	commands markdown.Block
	shown    *markdown.Block
}

// stepsOf are the steps of a page. A text block that stands behind no commands would be looked at
// by nobody, so it is an error.
func stepsOf(path string, blocks []markdown.Block) ([]step, error) {
	var steps []step
	for i, block := range blocks {
		switch block.Language {
		case "sh", "yaml":
			steps = append(steps, step{commands: block})
		case "text":
			if i == 0 || blocks[i-1].Language != "sh" {
				return nil, fmt.Errorf("%s:%d: a text block shows what an sh block prints, and none stands before it", path, block.Line)
			}
			steps[len(steps)-1].shown = &blocks[i]
		}
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("%s: there is no sh block to run", path)
	}
	return steps, nil
}

// run runs the steps and returns what each printed, up to the one that failed.
func run(ctx context.Context, path string, steps []step, runDir string) ([]string, error) {
	folder, err := os.MkdirTemp("", "follow-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the commands: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	mark := "end of a block " + rand.Text()
	file := filepath.Join(folder, filepath.Base(path))
	for i, s := range steps {
		if s.commands.Language != "yaml" {
			continue
		}
		manifest := filepath.Join(folder, fmt.Sprintf("line-%d.yaml", s.commands.Line))
		if err := os.WriteFile(manifest, []byte(s.commands.Text), 0o600); err != nil {
			return nil, fmt.Errorf("writing a manifest: %w", err)
		}
		steps[i].commands.Text = fmt.Sprintf("kubectl apply -f '%s'\n", manifest)
	}
	if err := os.WriteFile(file, []byte(script(steps, mark, runDir)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the commands: %w", err)
	}
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", file)
	command.WaitDelay = waitDelay
	out, err := command.CombinedOutput()
	printed := strings.Split(string(out), mark+"\n")
	if err == nil && len(printed) > len(steps) {
		return printed[:len(steps)], nil // behind the last mark is nothing
	}
	if err == nil {
		err = errEndedEarly
	}
	failed := steps[min(len(printed), len(steps))-1].commands
	last := printed[len(printed)-1]
	return printed[:len(printed)-1], fmt.Errorf("%s:%d: these commands fail (%w); they printed:\n%s", path, failed.Line, err, indented(plain(last)))
}

// script has every command on the line that it has in the page, so that the shell's own messages
// name the page's lines. Each block ends with a line that prints the mark, in place of its fence.
func script(steps []step, mark, runDir string) string {
	var text strings.Builder
	line := 1
	for _, s := range steps {
		text.WriteString(strings.Repeat("\n", s.commands.Line-line))
		commands := s.commands.Text
		if runDir != "" {
			commands = strings.ReplaceAll(commands, ".run/", runDir+"/")
		}
		fmt.Fprintf(&text, "%sprintf '%%s\\n' '%s'\n", commands, mark)
		line = s.commands.Line + strings.Count(s.commands.Text, "\n") + 1
	}
	return text.String()
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
