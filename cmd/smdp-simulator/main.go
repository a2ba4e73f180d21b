// Command smdp-simulator is an SM-DP+ that speaks GSMA ES2+ over mutual TLS, and where asked for
// wholesalers beside it, for development and tests. Its --help is its manual.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/telcodev/esim-operator/cmd/smdp-simulator/internal/wholesale"
	"github.com/telcodev/esim-operator/internal/smdp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx is done. It returns the exit code: 0 after an orderly stop, 1 for
// trouble, 2 for a wrong command line.
// Help goes to out, logs and complaints go to logs.
func run(ctx context.Context, args []string, out, logs io.Writer) int {
	s, err := parse(args, out, logs)
	if errors.Is(err, flag.ErrHelp) || errors.Is(err, errTold) {
		return 0
	}
	if err != nil {
		return complain(logs, 2, fmt.Errorf("%w; see --help", err))
	}
	if err := serve(ctx, s); err != nil {
		return complain(logs, 1, err)
	}
	return 0
}

// complain tells what is wrong. Where it cannot be written there is nobody to tell.
func complain(out io.Writer, code int, err error) int {
	_, _ = fmt.Fprintln(out, "smdp-simulator:", err)
	return code
}

// serve until ctx is done, then close in good order.
func serve(ctx context.Context, s settings) error {
	market, err := wholesale.New(wholesale.Options{Addresses: s.wholesalers, DataDir: s.options.DataDir, Logger: s.options.Logger})
	if err != nil {
		return err
	}
	s.options.ControlParts = market.ControlParts()
	server, err := smdp.New(s.options)
	if err != nil {
		return err
	}
	if err := start(ctx, server, market, s); err != nil {
		return errors.Join(err, market.Close(), server.Close())
	}
	<-ctx.Done()
	s.options.Logger.Info("stopping")
	if err := errors.Join(market.Close(), server.Close()); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	s.options.Logger.Info("stopped")
	return nil
}

// start opens the wholesalers' ports before the others: whoever finds the control API answering
// finds them too.
func start(ctx context.Context, server *smdp.Server, market *wholesale.Market, s settings) error {
	if err := prepare(server, s); err != nil {
		return err
	}
	if err := market.Start(ctx, server.PKI().ServerCertificate(), server.PKI().CA); err != nil {
		return err
	}
	return server.Start(ctx)
}

// prepare is what is set up before the first call.
func prepare(server *smdp.Server, s settings) error {
	if err := server.SetLatency(s.latency); err != nil {
		return err
	}
	for _, name := range s.clients {
		if _, _, err := server.PKI().Client(name); err != nil {
			return err
		}
	}
	return nil
}
