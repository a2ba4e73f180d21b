// Command chart writes those parts of the Helm chart that are said elsewhere already: the CRDs,
// the roles, the admission policies, the alerts and the dashboards of config/, and
// values.schema.json and the table in README.md, which the comments in values.yaml make. It is
// run from the root of the repository.
//
//	go run ./hack/chart -kubectl FILE
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const chartFolder = "charts/esim-operator"

func main() {
	kubectl := flag.String("kubectl", "kubectl", "`file` of the kubectl that renders config/")
	flag.Parse()
	if err := run(context.Background(), *kubectl); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubectl string) error {
	for _, part := range parts() {
		rendered, err := kustomize(ctx, kubectl, part.folder)
		if err != nil {
			return err
		}
		if err := part.write(rendered); err != nil {
			return err
		}
	}
	if err := copyDashboards(); err != nil {
		return err
	}
	return writeValues()
}

// copyDashboards copies what Grafana shows into the chart, whose templates can read nothing else.
func copyDashboards() error {
	found, err := filepath.Glob("config/grafana/*.json")
	if err != nil {
		return fmt.Errorf("looking for dashboards: %w", err)
	}
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading a dashboard: %w", err)
		}
		if err := replace("dashboards/"+filepath.Base(file), string(content)); err != nil {
			return err
		}
	}
	return nil
}

// kustomize renders a folder of config/.
func kustomize(ctx context.Context, kubectl, folder string) (string, error) {
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, kubectl, "kustomize", folder)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("rendering %s: %w: %s", folder, err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}

// replace writes a file of the chart.
func replace(name, content string) error {
	file := filepath.Join(chartFolder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a folder of the checkout
		return fmt.Errorf("making the folder of %s: %w", name, err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil { //nolint:gosec // a file of the checkout
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
