package tracing

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

func TestAConfigurationNamesWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"off":                     {DefaultConfig(), ""},
		"in clear":                {Config{Endpoint: "http://otel:4317", SamplingRatio: 1}, ""},
		"over TLS":                {Config{Endpoint: "https://otel.example.com/"}, ""},
		"too much":                {Config{SamplingRatio: 1.5}, "tracing.samplingRatio is 1.5; it may be 0 to 1"},
		"less than nothing":       {Config{SamplingRatio: -1}, "tracing.samplingRatio is -1; it may be 0 to 1"},
		"no scheme":               {Config{Endpoint: "otel:4317"}, "tracing.endpoint must be https://host:port"},
		"another scheme":          {Config{Endpoint: "grpc://otel:4317"}, "tracing.endpoint must be https://host:port"},
		"a path":                  {Config{Endpoint: "http://otel:4318/v1/traces"}, "tracing.endpoint must be https://host:port"},
		"certificates for nobody": {Config{Endpoint: "http://otel:4317", CAFile: "ca.crt"}, "tracing.caFile is of no use"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.config.Validate()
			if told := text(err); !strings.HasPrefix(told, test.want) || (test.want == "") != (err == nil) {
				t.Errorf("the error is %q, want %q", told, test.want)
			}
		})
	}
}

func TestAPasswordInTheEndpointIsNotRepeated(t *testing.T) {
	err := Config{Endpoint: "https://me:swordfish@otel:4317"}.Validate()
	if err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("the error is %v", err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCertificatesThatCannotBeReadAreRefusedAtTheStart(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(empty, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: "holds no certificate in PEM", empty + ".gone": "tracing.caFile: open "} {
		_, err := Open(t.Context(), Config{Endpoint: "https://otel", CAFile: file}, "test", func(Fate, int) {}, logr.Discard())
		if !strings.Contains(text(err), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

func TestWithoutAnEndpointThereIsNoTracer(t *testing.T) {
	tracer, err := Open(t.Context(), DefaultConfig(), "test", nil, logr.Discard())
	if tracer != nil || err != nil {
		t.Errorf("there is %v, %v", tracer, err)
	}
	tracer.Close()
}
