// Command mailbox is a mail server for development: it takes mails over SMTP and shows them at
// an HTTP URL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/telcodev/esim-operator/internal/mailbox"
)

const usage = `mailbox takes mails over SMTP, without encryption and from anybody on this machine, keeps the
last ones in memory, and shows them over HTTP:

  /                       a page with all of them, newest first
  /messages               the same as JSON; ?to=ann@example.com only those to one address
  /messages/{id}          one, as a browser shows it
  /messages/{id}/text     its text part
  /messages/{id}/qr.png   its QR code
  /messages/{id}/raw      as it was sent

Mails to refused@… are refused (550), those to later@… are put off (451), at any domain.
Once it listens it prints both addresses, one a line.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "mailbox:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out, logs io.Writer) error {
	options := mailbox.Options{Logger: slog.New(slog.NewTextHandler(logs, nil))}
	flags := flag.NewFlagSet("mailbox", flag.ContinueOnError)
	flags.SetOutput(logs)
	flags.Usage = func() {
		_, _ = io.WriteString(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&options.SMTPAddress, "smtp", "127.0.0.1:0", "loopback `address` of SMTP; port 0 is any free one")
	flags.StringVar(&options.HTTPAddress, "http", "127.0.0.1:0", "loopback `address` of HTTP; port 0 is any free one")
	flags.IntVar(&options.Keep, "keep", mailbox.DefaultKeep, "how many mails are kept")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q: everything is given by flags; see -help", flags.Arg(0))
	}
	box, err := mailbox.Start(ctx, options)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "smtp %s\nhttp %s\n", box.SMTPAddress(), box.URL()); err != nil {
		return errors.Join(fmt.Errorf("telling the addresses: %w", err), box.Close())
	}
	select {
	case <-ctx.Done():
		return box.Close()
	case err := <-box.Failed():
		return errors.Join(err, box.Close())
	}
}
