package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// written is a page, in which ' stands for `.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "'", "`")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBlocksRunInOneShell(t *testing.T) {
	path := written(t, "'''sh\nname=japan; cd /\n'''\n\nsome text\n\n'''yaml\nspec: {}\n'''\n'''sh\necho \"$name in $PWD\"; echo more >&2\n'''\n\n'''text\njapan in /\nmore\n'''\n")
	log := filepath.Join(t.TempDir(), "log")
	var out bytes.Buffer
	if err := follow(t.Context(), []string{"-log", log, path}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "2 blocks of commands work, and 1 print what the page shows"; !strings.Contains(out.String(), want) {
		t.Errorf("said %q, want %q", out.String(), want)
	}
	if kept, err := os.ReadFile(log); err != nil || string(kept) != "\njapan in /\nmore\n" {
		t.Errorf("kept %q, %v", kept, err)
	}
}

func TestAPageThatIsWrongFailsWithItsLine(t *testing.T) {
	for name, test := range map[string]struct{ page, want string }{
		"a command fails":                  {"'''sh\ntrue\n'''\n\n'''sh\necho before\nfalse\necho after\n'''\n", "page.md:6: these commands fail (exit status 1); they printed:\n  before"},
		"a command does not exist":         {"text\n\n'''sh\ntrue\nno-such-command\n'''\n", "page.md: line 5: no-such-command: command not found"},
		"a pipe fails":                     {"'''sh\nfalse | cat\n'''\n", "page.md:2: these commands fail"},
		"the shell ends early":             {"'''sh\nexit 0\n'''\n\n'''sh\ntrue\n'''\n", "page.md:2: these commands fail (the shell has ended before the page)"},
		"a variable is not set":            {"'''sh\necho $NO_SUCH_VARIABLE\n'''\n", "page.md: line 2: NO_SUCH_VARIABLE: unbound variable"},
		"a command asks":                   {"'''sh\nread -r answer\n'''\n", "page.md:2: these commands fail"},
		"other output":                     {"'''sh\necho one; echo two\n'''\n'''text\none\nthree\n'''\n", "page.md:6: the page shows\n  three\nand what was printed is\n  two"},
		"less output":                      {"'''sh\necho one\n'''\n'''text\none\ntwo\n'''\n", "page.md:6: the page shows\n  two\nand what was printed is\n  nothing more"},
		"more output":                      {"'''sh\necho one; echo two\n'''\n'''text\none\n'''\n", "page.md:6: more was printed than the page shows:\n  two"},
		"other output, then a failure":     {"'''sh\necho one\n'''\n'''text\ntwo\n'''\n'''sh\nfalse\n'''\n", "page.md:5: the page shows"},
		"output that nobody prints":        {"'''yaml\n{}\n'''\n'''text\none\n'''\n", "page.md:5: a text block shows what an sh block prints"},
		"nothing to run":                   {"text\n", "page.md: there is no sh block to run"},
		"a code in what a command printed": {"'''sh\necho LPA:1\\$rsp.example.com\\$K3TQ0123456789ABCDEF; false\n'''\n", "LPA:1$rsp.example.com$<matching ID>"},
	} {
		t.Run(name, func(t *testing.T) {
			err := follow(t.Context(), []string{written(t, test.page)}, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestTheSettingsOfMakeRunAreFoundWhereItRuns(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "env"), []byte("ESIM_API=here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUN_DIR", folder)
	path := written(t, "'''sh\n. .run/env\necho $ESIM_API\n'''\n'''text\nhere\n'''\n")
	if err := follow(t.Context(), []string{path}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

func TestOnlyWhatIsAnotherAtEachRunMayDiffer(t *testing.T) {
	for name, test := range map[string]struct {
		shown, printed string
		differs        bool
	}{
		"the width of columns":        {"NAME   AGE\nmain   5s\n", "NAME              AGE\nmain              12m3s\n", false},
		"no age":                      {"main   5s", "main   soon", true},
		"an amount":                   {"main   650 JPY", "main   651 JPY", true},
		"the days of a plan":          {"1gb-7d", "1gb-8d", true},
		"ICCIDs":                      {"8944110000000000016", "8944110000000000123", false},
		"something that is no ICCID":  {"8944110000000000016", "-", true},
		"times":                       {"Ordered at 2026-01-01 10:00:00.", "Ordered at 2036-12-31 09:59:59.", false},
		"matching IDs":                {"LPA:1$rsp.example.com$0123456789ABCDEFGHIJ", "LPA:1$rsp.example.com$ZYXWVUTSRQPONMLKJIHG", false},
		"another SM-DP+ address":      {"LPA:1$rsp.example.com$0123456789ABCDEFGHIJ", "LPA:1$rsp.zendit.example$0123456789ABCDEFGHIJ", true},
		"numbers of orders":           {"Number 353954993004198", "Number 4021949930041981", false},
		"a matching ID by itself":     {"0123456789ABCDEFGHIJ", "ZYXWVUTSRQPONMLKJIHG", false},
		"lines of a QR code":          {"████ ▄▄▄▄▄ █▄▀█▄▄▄ ▄▄▀▀▄ █▄█ ▀▄▀▄████", "████ █   █ █▄  ▀▀▄ ▄▀▀▀▄  ▄▄▄▀▀█ ████", false},
		"entries of one second":       {"2026-01-01 10:00:00 a\n2026-01-01 10:00:00 b\nend", "2026-01-01 10:00:00 b\n2026-01-01 10:00:00 a\nend", false},
		"another entry":               {"2026-01-01 10:00:00 a\n2026-01-01 10:00:00 b", "2026-01-01 10:00:00 b\n2026-01-01 10:00:00 c", true},
		"other lines that change":     {"a\nb", "b\na", true},
		"anything within a line":      {"ready in … seconds", "ready in 5 or 6 seconds", false},
		"not more than that":          {"ready in … seconds", "ready in 5 minutes", true},
		"any lines":                   {"first\n…\nlast", "first\na\nb\nlast", false},
		"no lines":                    {"first\n…\nlast", "first\nlast", false},
		"any lines, and another last": {"first\n…\nlast", "first\na\nb", true},
		"any lines at the end":        {"first\n…", "first\na\nb", false},
		"signs of regular patterns":   {"a.b", "axb", true},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare("page.md", markdown.Block{Line: 1, Text: test.shown}, test.printed)
			if differs := err != nil; differs != test.differs {
				t.Errorf("differs: %v, want %v: %v", differs, test.differs, err)
			}
		})
	}
}
