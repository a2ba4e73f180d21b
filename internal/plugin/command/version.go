package command

import (
	"github.com/spf13/cobra"
)

// version tells which build this is, and asks nobody.
func (p *plugin) version() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "version", Short: "Tell which version this is", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if f.machine() {
				return printValue(p.Out, f, p.Version)
			}
			return flush(p.Out, p.Version.String()+"\n")
		},
	}
	f = addFormat(cmd, asJSON, asYAML)
	return cmd
}
