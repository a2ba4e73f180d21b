// Package instruments holds the definition of every metric that the programs serve: what it is
// called, what it counts and in which unit, and which labels it has. Each is defined once, where
// it is counted; docs/metrics.md is made from these definitions, and what alerts and dashboards
// ask for is checked against them.
package instruments

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Kind is what can be done with a metric.
type Kind string

// The kinds of metrics.
const (
	// Counter only grows, until its process ends.
	Counter Kind = "counter"
	// Gauge goes up and down.
	Gauge Kind = "gauge"
	// Histogram counts observations in buckets.
	Histogram Kind = "histogram"
)

// Role is which program serves a metric.
type Role string

// The roles.
const (
	// Both is what each of the programs serves.
	Both Role = "both"
	// Controllers is `manager controllers`.
	Controllers Role = "controllers"
	// Facade is `manager facade`.
	Facade Role = "facade"
)

// Programs are the commands that serve a metric.
func (r Role) Programs() []string {
	if r == Both {
		return []string{"manager controllers", "manager facade"}
	}
	return []string{"manager " + string(r)}
}

// Definition is what a metric means. Help names the unit, where the name does not.
type Definition struct {
	Name   string
	Role   Role
	Kind   Kind
	Labels []string
	Help   string
}

var (
	mu    sync.Mutex
	known []Definition
)

// Define says what a metric means. A name that is defined twice is a mistake in the program: it
// panics.
func Define(role Role, kind Kind, name, help string, labels ...string) Definition {
	mu.Lock()
	defer mu.Unlock()
	if slices.ContainsFunc(known, func(d Definition) bool { return d.Name == name }) {
		panic(fmt.Sprintf("the metric %s is defined twice", name))
	}
	definition := Definition{Name: name, Role: role, Kind: kind, Labels: labels, Help: help}
	known = append(known, definition)
	return definition
}

// All are the definitions in the packages that the program is built from, by role and name.
func All() []Definition {
	mu.Lock()
	defer mu.Unlock()
	all := slices.Clone(known)
	slices.SortFunc(all, func(a, b Definition) int {
		if a.Role != b.Role {
			return strings.Compare(string(a.Role), string(b.Role))
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

// NewCounterVec makes the counter, registered nowhere.
func (d Definition) NewCounterVec() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// NewCounter makes the counter, which has no labels, registered nowhere.
func (d Definition) NewCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: d.Name, Help: d.Help})
}

// NewGaugeVec makes the gauge, registered nowhere.
func (d Definition) NewGaugeVec() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// NewGauge makes the gauge, which has no labels, registered nowhere.
func (d Definition) NewGauge() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: d.Name, Help: d.Help})
}

// NewGaugeFunc makes the gauge, whose value is asked for at each scrape, registered nowhere.
func (d Definition) NewGaugeFunc(value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, value)
}

// NewHistogramVec makes the histogram, registered nowhere. Buckets are upper bounds.
func (d Definition) NewHistogramVec(buckets ...float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: buckets}, d.Labels)
}

// NewHistogram makes the histogram, which has no labels, registered nowhere.
func (d Definition) NewHistogram(buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: buckets})
}

// Registered registers a collector with the registry that the controllers' /metrics shows.
func Registered[C prometheus.Collector](collector C) C {
	metrics.Registry.MustRegister(collector)
	return collector
}

// CounterVec defines a counter of the controllers, and registers it.
func CounterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return Registered(Define(Controllers, Counter, name, help, labels...).NewCounterVec())
}

// GaugeVec defines a gauge of the controllers, and registers it.
func GaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return Registered(Define(Controllers, Gauge, name, help, labels...).NewGaugeVec())
}

// SingleGauge defines a gauge of the controllers that has no labels, and registers it.
func SingleGauge(name, help string) prometheus.Gauge {
	return Registered(Define(Controllers, Gauge, name, help).NewGauge())
}
