// Command manager runs esim-operator. One binary, several roles, each with an identity of
// its own: `manager controllers` speaks to mobile operators and writes status, `manager facade`
// serves the REST API.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/version"
)

const usage = `esim-operator sells eSIMs through the Kubernetes API.

Usage:
  manager controllers [flags]   take orders to their delivery; one leader, any number of standbys
  manager facade [flags]        serve the REST API; any number of replicas
  manager api-key create        make an API key for a client, and print it
  manager version               print the version

Run 'manager controllers --help' or 'manager facade --help' for the flags.
`

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "manager:", err)
			os.Exit(1)
		}
	}
}

func run(args []string, out io.Writer) error {
	role := ""
	if len(args) > 0 {
		role = args[0]
	}
	switch role {
	case "controllers":
		return controllersRole(ctrl.SetupSignalHandler(), args[1:])
	case "facade":
		return facadeRole(ctrl.SetupSignalHandler(), args[1:])
	case "api-key":
		return apiKeyCommand(ctrl.SetupSignalHandler(), args[1:], out)
	case "version", "--version":
		_, err := fmt.Fprintln(out, version.Get())
		return err
	case "help", "-h", "--help":
		_, err := io.WriteString(out, usage)
		return err
	default:
		return fmt.Errorf("unknown role %q; 'manager help' lists them", role)
	}
}
