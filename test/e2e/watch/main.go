// Command watch asks a Prometheus what the dashboard would ask it, and how the alerts stand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const usage = `watch dashboard PROMETHEUS FILE   fails unless each query of the dashboard has an answer with a number in it
watch alerts PROMETHEUS           the alerts that are pending or firing, a line each; fails where a rule cannot be evaluated`

const (
	timeout   = 20 * time.Second
	maxAnswer = 16 << 20
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	answer, err := watch(ctx, os.Args[1:])
	cancel()
	fmt.Print(answer)
	if err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

func watch(ctx context.Context, args []string) (string, error) {
	var command string
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "dashboard" && len(args) == 2:
		return askAll(ctx, args[0], args[1])
	case command == "alerts" && len(args) == 1:
		return alerts(ctx, args[0])
	default:
		return "", errors.New("usage:\n" + usage)
	}
}

// substitute puts values in place of Grafana's variables.
var substitute = strings.NewReplacer("$__rate_interval", "30s", "$operator", ".*")

// askAll asks each query of a dashboard, and says which have no answer.
func askAll(ctx context.Context, prometheus, file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the dashboard: %w", err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return "", fmt.Errorf("reading the dashboard: %w", err)
	}
	asked, failures := 0, []error(nil)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			asked++
			if err := ask(ctx, prometheus, substitute.Replace(target.Expr)); err != nil {
				failures = append(failures, fmt.Errorf("%s: %s: %w", panel.Title, target.Expr, err))
			}
		}
	}
	if asked == 0 {
		return "", errors.New("the dashboard has no queries")
	}
	return fmt.Sprintf("%d of %d queries have an answer\n", asked-len(failures), asked), errors.Join(failures...)
}

var errEmpty = errors.New("there is no answer, or none that is a number")

// ask fails where a query cannot be answered, or is answered with nothing.
func ask(ctx context.Context, prometheus, query string) error {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := get(ctx, prometheus+"/api/v1/query?query="+url.QueryEscape(query), &data); err != nil {
		return err
	}
	for _, series := range data.Result {
		text, ok := series.Value[1].(string)
		if !ok {
			continue
		}
		if value, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(value) {
			return nil
		}
	}
	return errEmpty
}

// alerts are those that are not at rest, each once, with its state.
func alerts(ctx context.Context, prometheus string) (string, error) {
	var data struct {
		Groups []struct {
			Rules []struct {
				Name, State, Health, LastError string
			}
		}
	}
	if err := get(ctx, prometheus+"/api/v1/rules", &data); err != nil {
		return "", err
	}
	var active []string
	var failures []error
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				failures = append(failures, fmt.Errorf("the health of %s is %s: %s", rule.Name, rule.Health, rule.LastError))
			}
			if rule.State != "inactive" {
				active = append(active, rule.Name+" "+rule.State+"\n")
			}
		}
	}
	if len(data.Groups) == 0 {
		failures = append(failures, errors.New("there are no rules"))
	}
	slices.Sort(active)
	return strings.Join(slices.Compact(active), ""), errors.Join(failures...)
}

// get reads the data of an answer of Prometheus' HTTP API.
func get(ctx context.Context, address string, data any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // the user names the Prometheus
	if err != nil {
		return fmt.Errorf("asking Prometheus: %w", err)
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // the user names the Prometheus
	if err != nil {
		return fmt.Errorf("asking Prometheus: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading Prometheus' answer: %w", err)
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("reading Prometheus' answer (%s): %w", response.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("prometheus refuses: %s", answer.Error)
	}
	return nil
}
