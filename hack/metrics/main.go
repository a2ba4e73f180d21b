// Command metrics writes docs/metrics.md: what every metric of the programs means.
package main

import (
	"fmt"
	"os"
	"strings"

	// What is defined there is what there is to tell of.
	_ "github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/instruments"
	_ "github.com/telcodev/esim-operator/internal/manager"
)

const introduction = `# Metrics

<!-- Written by ` + "`make generate`" + ` from the definitions in the code. -->

Both programs serve ` + "`/metrics`" + ` over HTTPS, to who may ` + "`get`" + ` it (ClusterRole ` + "`esim-operator-metrics-reader`" + `). How to have
them scraped, what to look at and which alerts there are, tells [monitoring.md](monitoring.md). Beside these there are
those of controller-runtime (` + "`workqueue_…`, `controller_runtime_…`, `rest_client_…`" + `) and of Go (` + "`go_…`, `process_…`" + `).

A client is a namespace: the label is not called so, as scraping gives every series the namespace that it was scraped in.
Metrics with the label ` + "`client`" + ` name only the worst few, so that their number is bounded. Ages, ratios and amounts are
floats: for trends and alerts; the books are in the objects.
`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: metrics FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page(instruments.All())), 0o644); err != nil { //nolint:gosec // a page of the documentation
		fmt.Fprintln(os.Stderr, "metrics: writing the page:", err)
		os.Exit(1)
	}
}

// page is the documentation of metrics that are sorted by role.
func page(all []instruments.Definition) string {
	var text strings.Builder
	text.WriteString(introduction)
	role := instruments.Role("")
	for _, metric := range all {
		if metric.Role != role {
			role = metric.Role
			fmt.Fprintf(&text, "\n## `%s`\n\n| metric | type | labels | |\n|---|---|---|---|\n", strings.Join(role.Programs(), "` and `"))
		}
		labels := ""
		if len(metric.Labels) > 0 {
			labels = "`" + strings.Join(metric.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", metric.Name, metric.Kind, labels, strings.ReplaceAll(metric.Help, "|", `\|`))
	}
	return text.String()
}
