// Package traces lets orders be followed with OpenTelemetry, through the real facade and the real
// manager on a real API server, and looks at what a collector gets.
package traces
