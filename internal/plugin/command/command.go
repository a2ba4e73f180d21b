// Package command is `kubectl esim`: one file a command. Each works with the rights of whoever
// calls it, against the API server that their kubeconfig names, and nothing else.
package command

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/transport"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/version"
)

// Environment is what commands are given from outside.
type Environment struct {
	genericiooptions.IOStreams
	// Clock tells the time.
	Clock clock.WithTicker
	// Random names orders.
	Random io.Reader
	// Terminal tells whether a stream is read, or typed, by a person.
	Terminal func(stream any) bool
	// Version is this program's build.
	Version version.Info
	// Transport, where set, goes between a command and the API server.
	Transport transport.WrapperFunc
}

// Real is the environment of a process.
func Real(streams genericiooptions.IOStreams, build version.Info) Environment {
	return Environment{
		IOStreams: streams, Clock: clock.RealClock{}, Random: rand.Reader, Terminal: isTerminal, Version: build,
	}
}

// plugin is what the commands share.
type plugin struct {
	Environment
	flags *genericclioptions.ConfigFlags
}

const long = `Buys and looks after eSIMs, with your own rights, on the cluster that your kubeconfig names.

Start with
  kubectl get esimproducts                    what is for sale
  kubectl esim quote japan 1gb-7d             what it costs you
  kubectl esim buy japan 1gb-7d --wait        buy it
  kubectl esim qr <order>                     install it on a phone
  kubectl esim describe <order>               what became of it, in plain words

The flags of kubectl for clusters and users work too; kubectl options lists them.`

// New is the command with all that is below it.
func New(env Environment) *cobra.Command {
	p := &plugin{Environment: env, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use: "kubectl-esim", Short: "Buy and look after eSIMs", Long: long, Version: env.Version.String(),
		SilenceUsage: true, SilenceErrors: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl esim"},
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.ErrOut)
	p.flags.CacheDir = nil // nothing is discovered, so nothing is kept
	p.flags.AddFlags(root.PersistentFlags())
	hideAllBut(root.PersistentFlags(), "namespace", "context", "kubeconfig")
	addVerbosity(root)
	root.AddCommand(
		p.buy(), p.get(), p.describe(), p.qr(), p.cancel(), p.refresh(),
		p.quote(), p.wallet(), p.operators(), p.doctor(), p.version(),
	)
	return root
}

// hideAllBut leaves the flags that everybody needs in a command's help. The others are kubectl's
// own (kubectl options lists them), and work all the same.
func hideAllBut(flags *pflag.FlagSet, shown ...string) {
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(shown, f.Name) })
}

// addVerbosity adds the -v that kubectl has.
func addVerbosity(root *cobra.Command) {
	var logging flag.FlagSet
	klog.InitFlags(&logging)
	root.PersistentFlags().AddGoFlag(logging.Lookup("v"))
}

// exact is cobra.ExactArgs in words: names are what the arguments are.
func exact(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) > len(names) {
			return fmt.Errorf("%q is one argument too many; usage: %s", args[len(names)], cmd.UseLine())
		}
		return fmt.Errorf("the %s is missing; usage: %s", names[len(args)], cmd.UseLine())
	}
}

// atMostOne is for an optional name.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%q is one argument too many; usage: %s", args[1], cmd.UseLine())
	}
	return nil
}

// limited bounds how long a command waits; 0 is for ever.
func limited(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
