package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"github.com/telcodev/esim-operator/internal/plugin/doctor"
)

const doctorLong = `Looks an installation over: the API server and the clocks, CRDs, admission policies, the
manager's rights, who leads, certificates and when they end, operators, what is for sale, how
receipts go out, wallets, and orders that wait. It only reads, and says what to do about each
thing that is not well. It ends with an error if something does not work.

It needs to read what it looks at: run it as an administrator. What you may not read is said.`

func (p *plugin) doctor() *cobra.Command {
	var namespace string
	var all bool
	var f *format
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check an installation, with a remedy for each thing that is not well", Long: doctorLong,
		Args: exact(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.runDoctor(cmd.Context(), namespace, all, f)
		},
	}
	cmd.Flags().StringVar(&namespace, "manager-namespace", "esim-system", "Namespace that the manager runs in")
	cmd.Flags().BoolVar(&all, "all", false, "Print each thing that is well, too, and not only how many are")
	f = addFormat(cmd, asJSON, asYAML)
	return cmd
}

func (p *plugin) runDoctor(ctx context.Context, namespace string, all bool, f *format) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	web, err := rest.HTTPClientFor(s.config)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	installation := &doctor.Installation{
		Client: s, Namespace: namespace, Now: p.Clock.Now, Mail: doctor.TryMail,
		Server: func(ctx context.Context) (doctor.Server, error) { return askServer(ctx, web, s.config) },
	}
	var printing error
	findings := doctor.Examine(ctx, installation, func(findings []doctor.Finding) {
		if !f.machine() {
			printing = errors.Join(printing, flush(p.Out, shownFindings(findings, all)))
		}
	})
	if f.machine() {
		printing = printValue(p.Out, f, findings)
	}
	if printing != nil {
		return printing
	}
	return p.verdict(findings, f)
}

// verdict ends the output; it is an error where something does not work.
func (p *plugin) verdict(findings []doctor.Finding, f *format) error {
	warned, failed := doctor.Count(findings, doctor.Warn), doctor.Count(findings, doctor.Fail)
	if failed > 0 {
		return fmt.Errorf("%d of %d things do not work, and %d should be looked at", failed, len(findings), warned)
	}
	if f.machine() {
		return nil
	}
	if warned > 0 {
		return flush(p.Out, fmt.Sprintf("\nAll works; %d of %d things should be looked at.\n", warned, len(findings)))
	}
	return flush(p.Out, fmt.Sprintf("\nAll %d things are well.\n", len(findings)))
}

// shownFindings is a check's findings for people: what is well in one line, unless all is asked
// for, the rest each with its remedy.
func shownFindings(findings []doctor.Finding, all bool) string {
	text, well := "", 0
	for _, finding := range findings {
		if finding.Level == doctor.OK {
			well++
			if !all {
				continue
			}
		}
		text += fmt.Sprintf("%-5s %-13s %s: %s\n", finding.Level, finding.Check, finding.Object, finding.Message)
		if finding.Remedy != "" {
			text += fmt.Sprintf("%20s-> %s\n", "", finding.Remedy)
		}
	}
	switch {
	case all || well == 0:
		return text
	case well == 1:
		for _, finding := range findings {
			if finding.Level == doctor.OK {
				text += fmt.Sprintf("%-5s %-13s %s: %s\n", finding.Level, finding.Check, finding.Object, finding.Message)
			}
		}
		return text
	}
	return text + fmt.Sprintf("%-5s %-13s %d things are well\n", doctor.OK, findings[0].Check, well)
}

// askServer asks the API server for its version, and takes its time from the answer's header.
func askServer(ctx context.Context, web *http.Client, config *rest.Config) (doctor.Server, error) {
	const mostVersion = 64 << 10
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return doctor.Server{}, fmt.Errorf("finding the API server: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), http.NoBody)
	if err != nil {
		return doctor.Server{}, fmt.Errorf("asking for the version: %w", err)
	}
	answer, err := web.Do(request)
	if err != nil {
		return doctor.Server{}, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostVersion))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return doctor.Server{}, fmt.Errorf("reading the version: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return doctor.Server{}, fmt.Errorf("the API server answers %s when asked for its version", answer.Status)
	}
	var info version.Info
	if err := json.Unmarshal(body, &info); err != nil {
		return doctor.Server{}, fmt.Errorf("reading the version: %w", err)
	}
	when, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return doctor.Server{}, fmt.Errorf("reading the API server's time: %w", err)
	}
	return doctor.Server{Major: info.Major, Minor: info.Minor, Time: when.In(time.UTC)}, nil
}
