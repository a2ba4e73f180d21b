package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// Formats of -o. The empty one is for people.
const (
	people = ""
	wide   = "wide"
	asJSON = "json"
	asYAML = "yaml"
	asName = "name"
)

// format is the value of a command's -o.
type format struct {
	value   string
	allowed []string
}

// addFormat gives a command the flag -o, with what it may be.
func addFormat(cmd *cobra.Command, allowed ...string) *format {
	f := &format{allowed: allowed}
	cmd.Flags().VarP(f, "output", "o", "Print "+strings.Join(allowed, ", ")+" instead of text for people")
	// It fails for a flag that is not there, or that has one already.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	return f
}

// String is the value.
func (f *format) String() string { return f.value }

// Type names what the flag takes, in the help.
func (f *format) Type() string { return "format" }

// Set takes a value, if it is allowed.
func (f *format) Set(value string) error {
	if !slices.Contains(f.allowed, value) {
		return fmt.Errorf("must be one of %s", strings.Join(f.allowed, ", "))
	}
	f.value = value
	return nil
}

// machine tells whether the output is for a program.
func (f *format) machine() bool { return f.value != people && f.value != wide }

// printObject prints an object of the API as JSON, YAML or by its name.
func printObject(out io.Writer, f *format, kind schema.GroupVersionKind, object runtime.Object) error {
	object.GetObjectKind().SetGroupVersionKind(kind)
	var printer printers.ResourcePrinter
	switch f.value {
	case asYAML:
		printer = &printers.YAMLPrinter{}
	case asName:
		printer = &printers.NamePrinter{}
	default:
		printer = &printers.JSONPrinter{}
	}
	if err := (&printers.OmitManagedFieldsPrinter{Delegate: printer}).PrintObj(object, out); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// printValue prints what is no object of the API, as JSON or YAML.
func printValue(out io.Writer, f *format, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil && f.value == asYAML {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return flush(out, strings.TrimRight(string(text), "\n")+"\n")
}

// print prints a table.
func (t *table) print(out io.Writer, f *format) error {
	printer := printers.NewTablePrinter(printers.PrintOptions{Wide: f.value == wide})
	if err := printer.PrintObj(&t.Table, out); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// dash stands in a table for what is not there.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
