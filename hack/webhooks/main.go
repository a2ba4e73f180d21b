// Command webhooks is a client's endpoint for development: it takes the events that are posted
// to /hooks/<anything>, checks their signatures, and shows them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

const help = `webhooks takes webhooks at POST /hooks/<anything> and checks their signatures.

  GET /          the last 1,000 as a page
  GET /events    the same in JSON, newest first
  PUT /answer    {"status": 500, "count": 3} answers the next three with 500;
                 without count, all until the next PUT

What is not signed with one of the secrets is answered with 401 and shown all the same.

FLAGS
`

// shutdownTime is how long requests may take to end when the program does.
const shutdownTime = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, func(string) {})
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "webhooks:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done. ready is told the address.
func run(ctx context.Context, args []string, out io.Writer, ready func(address string)) error {
	flags := flag.NewFlagSet("webhooks", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		// Where the help cannot be written there is nobody to tell.
		_, _ = io.WriteString(out, help)
		flags.PrintDefaults()
	}
	address := flags.String("http", "127.0.0.1:18096", "loopback `address` to listen on")
	file := flags.String("secret-file", "", "`file` with the signing secrets, one whsec_… in a line")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q: everything is given by flags", flags.Arg(0))
	}
	if !loopback(*address) {
		return fmt.Errorf("-http %s: must be a loopback address, such as 127.0.0.1:18096, because everybody who reaches it can read the events", *address)
	}
	secrets, err := readSecrets(*file)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	ready(listener.Addr().String())
	return serve(ctx, listener, newReceiver(secrets, clock.RealClock{}).handler())
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve webhooks: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return fmt.Errorf("end the server: %w", err)
	}
	return nil
}

// readSecrets of a file, one in a line. Errors name the line.
func readSecrets(file string) ([]webhook.Secret, error) {
	if file == "" {
		return nil, errors.New("-secret-file is missing: signatures cannot be checked without")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-secret-file: %w", err)
	}
	lines := map[string][]byte{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		if line = strings.TrimSpace(line); line != "" {
			lines[fmt.Sprintf("line %d", number)] = []byte(line)
		}
	}
	secrets, err := webhook.ParseSecrets(lines)
	if err != nil {
		return nil, fmt.Errorf("-secret-file %s: %w", file, err)
	}
	return secrets, nil
}

// loopback tells whether only this machine reaches host:port.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
