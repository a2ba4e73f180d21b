// Package alerts_test holds alerts, dashboard, runbooks and the pages about metrics against the
// metrics that there are. What alerts do, promtool tries: see test/e2e/watch.sh.
package alerts_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/instruments"
	_ "github.com/telcodev/esim-operator/internal/manager" // what it is made of defines the metrics
)

const root = "../.."

// theirs are the metrics of controller-runtime and client-go that the dashboard shows.
var theirs = []string{
	"workqueue_depth", "workqueue_queue_duration_seconds", "controller_runtime_reconcile_time_seconds", "rest_client_requests_total",
}

// rule is one alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rules(t *testing.T) []rule {
	t.Helper()
	var object struct {
		APIVersion, Kind string
		Metadata         map[string]string
		Spec             struct {
			Groups []struct {
				Name  string
				Rules []rule
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "config/prometheus/rules.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no rules")
	}
	return all
}

// panel of the dashboard.
type panel struct {
	Title, Type string
	Targets     []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "config/grafana/esim-operator.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

var (
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	name   = regexp.MustCompile(`\b(?:esim|workqueue|controller_runtime|rest_client|go|process|leader_election)_[a-z0-9_]+\b`)
)

// named are the metrics that a query asks for.
func named(query string) []string {
	return name.FindAllString(quoted.ReplaceAllString(query, `""`), -1)
}

// exists tells whether a series of that name can be shown.
func exists(series string) bool {
	is := func(metric string, histogram bool) bool {
		if series == metric && !histogram {
			return true
		}
		return histogram && slices.Contains([]string{metric + "_bucket", metric + "_sum", metric + "_count"}, series)
	}
	return slices.ContainsFunc(instruments.All(), func(d instruments.Definition) bool {
		return is(d.Name, d.Kind == instruments.Histogram)
	}) || slices.ContainsFunc(theirs, func(metric string) bool { return is(metric, strings.HasSuffix(metric, "_seconds")) })
}

func TestMetricsAreNamedByPrometheusConventions(t *testing.T) {
	kinds := map[instruments.Kind]dto.MetricType{
		instruments.Counter: dto.MetricType_COUNTER, instruments.Gauge: dto.MetricType_GAUGE, instruments.Histogram: dto.MetricType_HISTOGRAM,
	}
	var families []*dto.MetricFamily
	for _, metric := range instruments.All() {
		kind := kinds[metric.Kind]
		one := &dto.Metric{}
		for _, label := range metric.Labels {
			one.Label = append(one.Label, &dto.LabelPair{Name: &label})
		}
		families = append(families, &dto.MetricFamily{Name: &metric.Name, Help: &metric.Help, Type: &kind, Metric: []*dto.Metric{one}})
		if strings.HasSuffix(metric.Name, "_seconds") && !strings.Contains(metric.Help, "in seconds") {
			t.Errorf("the help of %s does not tell its unit", metric.Name)
		}
		if !strings.HasSuffix(metric.Help, ".") || !strings.HasPrefix(metric.Name, "esim_") {
			t.Errorf("%s: a name begins with esim_, and its help is a sentence", metric.Name)
		}
		if slices.Contains(metric.Labels, "namespace") {
			t.Errorf("%s: the label namespace is overwritten when it is scraped; call it client", metric.Name)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// collector is one that would be described as a metric is.
func collector(metric instruments.Definition) prometheus.Collector {
	switch metric.Kind {
	case instruments.Counter:
		return metric.NewCounterVec()
	case instruments.Histogram:
		return metric.NewHistogramVec(1)
	default:
		return metric.NewGaugeVec()
	}
}

func TestWhatIsDefinedIsShown(t *testing.T) {
	facade := prometheus.NewRegistry()
	facade.MustRegister(server.NewMetrics(func() bool { return true }))
	registries := map[instruments.Role]prometheus.Registerer{instruments.Both: metrics.Registry, instruments.Controllers: metrics.Registry, instruments.Facade: facade}
	for _, metric := range instruments.All() {
		// A registry refuses what it has already, or has as a part of something else.
		err := registries[metric.Role].Register(collector(metric))
		if err == nil {
			t.Errorf("%s is defined and shown by nobody", metric.Name)
			registries[metric.Role].Unregister(collector(metric))
			continue
		}
		if already := (prometheus.AlreadyRegisteredError{}); !errors.As(err, &already) && !strings.Contains(err.Error(), metric.Name) {
			t.Errorf("%s: %v", metric.Name, err)
		}
	}
}

func TestEachAlertTellsWhatToDo(t *testing.T) {
	var alerts []string
	for _, rule := range rules(t) {
		alerts = append(alerts, rule.Alert)
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", rule.Alert, severity)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", rule.Alert)
		}
		want := "https://github.com/telcodev/esim-operator/blob/main/docs/runbooks/" + rule.Alert + ".md"
		if got := rule.Annotations["runbook_url"]; got != want {
			t.Errorf("the runbook of %s is %s, want %s", rule.Alert, got, want)
		}
		metrics := named(rule.Expr)
		for _, metric := range append(metrics, named(rule.Annotations["summary"])...) {
			if !exists(metric) {
				t.Errorf("%s asks for %s, which there is not", rule.Alert, metric)
			}
		}
		if len(metrics) == 0 {
			t.Errorf("%s asks for nothing: %s", rule.Alert, rule.Expr)
		}
	}
	slices.Sort(alerts)
	alerts = slices.Compact(alerts)
	files, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var runbooks []string
	for _, file := range files {
		runbook := strings.TrimSuffix(filepath.Base(file), ".md")
		runbooks = append(runbooks, runbook)
		text := read(t, "docs/runbooks/"+runbook+".md")
		for _, heading := range []string{"# " + runbook + "\n", "\n## What it means\n", "\n## How to see it\n", "\n## What to do\n", "\n## When it ends\n"} {
			if !strings.Contains(text, heading) {
				t.Errorf("the runbook of %s has no %q", runbook, strings.TrimSpace(heading))
			}
		}
	}
	if diff := cmp.Diff(alerts, runbooks); diff != "" {
		t.Errorf("alerts (-) and runbooks (+):\n%s", diff)
	}
	tried := ""
	for _, file := range []string{"orders", "operators", "money", "messages"} {
		tried += read(t, "test/alerts/"+file+".yaml")
	}
	for _, alert := range alerts {
		if !strings.Contains(tried, "alertname: "+alert+"\n") {
			t.Errorf("no test of promtool tries %s", alert)
		}
	}
}

func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	ids := 0
	for _, panel := range panels(t) {
		if panel.Type == "row" {
			continue
		}
		if len(panel.Targets) == 0 {
			t.Errorf("%s asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			ids++
			metrics := named(target.Expr)
			if len(metrics) == 0 {
				t.Errorf("%s: %s names no metric", panel.Title, target.Expr)
			}
			for _, metric := range metrics {
				if !exists(metric) {
					t.Errorf("%s asks for %s, which there is not", panel.Title, metric)
				}
			}
		}
	}
	if ids == 0 {
		t.Error("the dashboard is empty")
	}
}

func TestPagesNameOnlyMetricsThatThereAre(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	runbooks, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("`[^`\n]*`")
	for _, page := range append(pages, runbooks...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, quote := range code.FindAllString(string(text), -1) {
			for _, metric := range named(quote) {
				defined := slices.ContainsFunc(instruments.All(), func(d instruments.Definition) bool { return d.Name == metric })
				if strings.HasPrefix(metric, "esim_") && !strings.HasSuffix(metric, "_") && !defined && !exists(metric) {
					t.Errorf("%s names %s, which there is not", filepath.Base(page), metric)
				}
			}
		}
	}
}
