package tracing

import (
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestOnlyATraceparentToTheLetterIsTaken(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		taken bool
	}{
		"sampled":           {good, true},
		"not sampled":       {strings.TrimSuffix(good, "1") + "0", true},
		"nothing":           {"", false},
		"another version":   {"01" + good[2:], false},
		"upper case":        {strings.ToUpper(good), false},
		"no trace ID":       {"00-" + strings.Repeat("0", 32) + good[35:], false},
		"no span ID":        {good[:36] + strings.Repeat("0", 16) + good[52:], false},
		"more behind it":    {good + "-00", false},
		"no digits":         {"00-" + strings.Repeat("g", 32) + good[35:], false},
		"a very long text":  {strings.Repeat(good, 1000), false},
		"with a line break": {good[:54] + "\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			of, taken := parse(test.text)
			if taken != test.taken || taken && format(of) != test.text {
				t.Errorf("taken: %t as %s, want %t", taken, format(of), test.taken)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("00-")
	f.Fuzz(func(t *testing.T, text string) {
		of, taken := parse(text)
		if !taken {
			return
		}
		again, ok := parse(format(of))
		if !ok || !again.Equal(of) {
			t.Errorf("%q is read as %s, which is read as something else", text, format(of))
		}
	})
}

func TestWithoutATracerNothingIsAllocated(t *testing.T) {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.TraceparentAnnotation: good}}}
	ctx, header := t.Context(), http.Header{}
	var tracer *Tracer
	if n := testing.AllocsPerRun(100, func() {
		within, request := tracer.Request(ctx, "request", header)
		within = tracer.Order(within, order)
		within, span := Start(With(Without(within), KeyOperator, "jp"), "step", Internal)
		span.Text(KeyOperator, "jp")
		span.Number(KeyStatus, 200)
		Inject(within, header)
		span.End("Transient")
		request.End("")
	}); n != 0 || len(header) != 0 {
		t.Errorf("%v allocations and headers %v, want none", n, header)
	}
}
