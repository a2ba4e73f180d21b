package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/telcodev/esim-operator/internal/plugin/story"
)

func (p *plugin) describe() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "describe ORDER", Short: "Tell what became of an order, in plain words",
		Long: `Tells what happened to an order and when, what it waits for, and what you can do.`,
		Args: exact("ORDER"), ValidArgsFunction: p.completeOrder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runDescribe(cmd.Context(), args[0], f)
		},
	}
	f = addFormat(cmd, asJSON, asYAML)
	return cmd
}

func (p *plugin) runDescribe(ctx context.Context, name string, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	order, err := s.order(ctx, name)
	if err != nil {
		return err
	}
	events, err := s.events(ctx, order)
	if err != nil {
		// Most of the story is in the status; what is missing is said.
		if err := flush(p.ErrOut, fmt.Sprintf("Some of what happened may be missing: %s\n\n", err)); err != nil {
			return err
		}
	}
	told := story.Of(order, events, p.Clock.Now())
	if f.machine() {
		return printValue(p.Out, f, told)
	}
	if _, err := told.WriteTo(p.Out); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
