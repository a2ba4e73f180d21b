// Command follow does what a page says, word for word: it runs every sh block, in order, in one
// shell that ends at the first error, and holds what each printed against the text block that
// stands behind it. What it says of a failure begins with the page's name and line.
//
// With -apply, a yaml block that is a manifest is applied with kubectl where it stands, as a reader
// would who follows a how-to. Other blocks are not run. A text block shows what the sh block before it prints,
// on standard output and standard error; see match.go for what may differ.
//
// What a reader puts in place of what the page has, such as an address, is told by -replace; of a
// page that has it no more, that is an error, as is a section or a group that it does not have.
//
// The path .run/env, which is where `make run` leaves its settings, is read from RUN_DIR instead,
// where that is set.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// maxTime is more than a reader takes for a page.
const maxTime = 15 * time.Minute

const usage = `follow [FLAGS] PAGE   run the sh blocks of a page, and compare what they print`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := follow(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func follow(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("follow", flag.ContinueOnError)
	log := flags.String("log", "", "`file` that gets what was printed, as it was, with the codes and tokens in it")
	var take choice
	flags.BoolVar(&take.apply, "apply", false, "apply the page's manifests")
	flags.Var(&take.replace, "replace", "`OLD=NEW` to put in place of what the page has; may be given again")
	flags.Var(&take.only, "only", "`anchor` of the section that is run, and no other; may be given again")
	flags.Var(&take.but, "but", "`anchor` of a section that is not run; may be given again")
	flags.Var(&take.absent, "absent", "API `group` that is not here, of which no manifest is applied; may be given again")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New(usage)
	}
	page, err := markdown.Read(flags.Arg(0))
	if err != nil {
		return err
	}
	blocks, err := take.from(page)
	if err != nil {
		return err
	}
	steps, err := stepsOf(page.Path, blocks)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	printed, failure := run(ctx, page.Path, steps, os.Getenv("RUN_DIR"))
	if *log != "" {
		if err := os.WriteFile(*log, []byte(strings.Join(printed, "\n")), 0o600); err != nil {
			return fmt.Errorf("keeping what was printed: %w", err)
		}
	}
	compared, differences := 0, []error{}
	for i, text := range printed {
		if steps[i].shown != nil {
			differences = append(differences, compare(page.Path, *steps[i].shown, text))
			compared++
		}
	}
	if err := errors.Join(append(differences, failure)...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d blocks of commands work, and %d print what the page shows\n", page.Path, len(steps), compared)
	return err
}
