package webhook

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSignatureIsThatOfStandardWebhooks(t *testing.T) {
	got := sign(mustSecrets(t, exampleSecret), exampleID, now, []byte(exampleBody))
	want := http.Header{
		"Webhook-Id":        {exampleID},
		"Webhook-Timestamp": {strconv.Itoa(exampleTimestamp)},
		"Webhook-Signature": {exampleSignature},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestVerify(t *testing.T) {
	good := func() http.Header {
		h := http.Header{}
		h.Set("webhook-id", exampleID)
		h.Set("webhook-timestamp", strconv.Itoa(exampleTimestamp))
		h.Set("webhook-signature", exampleSignature)
		return h
	}
	changed := func(name, value string) http.Header {
		h := good()
		h.Set(name, value)
		return h
	}
	without := func(name string) http.Header {
		h := good()
		h.Del(name)
		return h
	}
	twice := good()
	twice.Add("webhook-id", exampleID)
	known := mustSecrets(t, exampleSecret)
	tests := map[string]struct {
		secrets []Secret
		header  http.Header
		body    string
		now     time.Time
		want    error
	}{
		"as published":                  {header: good()},
		"at the end of the tolerance":   {header: good(), now: now.Add(5 * time.Minute)},
		"a clock behind ours":           {header: good(), now: now.Add(-5 * time.Minute)},
		"one of two secrets":            {header: good(), secrets: mustSecrets(t, otherSecret, exampleSecret)},
		"one of several signatures":     {header: changed("webhook-signature", "v1a,x v1,AAAA "+exampleSignature)},
		"another body":                  {header: good(), body: exampleBody + " ", want: ErrSignature},
		"another ID":                    {header: changed("webhook-id", "msg_2"), want: ErrSignature},
		"another time":                  {header: changed("webhook-timestamp", "1614265331"), want: ErrSignature},
		"another secret":                {header: good(), secrets: mustSecrets(t, otherSecret), want: ErrSignature},
		"no secret":                     {header: good(), secrets: []Secret{}, want: ErrSignature},
		"a secret that is empty":        {header: sign([]Secret{{}}, exampleID, now, []byte(exampleBody)), secrets: []Secret{{}}, want: ErrSignature},
		"a signature without version":   {header: changed("webhook-signature", strings.TrimPrefix(exampleSignature, "v1,")), want: ErrSignature},
		"a signature of another kind":   {header: changed("webhook-signature", "v1a"+strings.TrimPrefix(exampleSignature, "v1")), want: ErrSignature},
		"a replay":                      {header: good(), now: now.Add(5*time.Minute + time.Second), want: ErrTimestamp},
		"from the future":               {header: good(), now: now.Add(-5*time.Minute - time.Second), want: ErrTimestamp},
		"a time past all time":          {header: changed("webhook-timestamp", "999999999999"), want: ErrTimestamp},
		"no ID":                         {header: without("webhook-id"), want: ErrHeader},
		"no timestamp":                  {header: without("webhook-timestamp"), want: ErrHeader},
		"no signature":                  {header: without("webhook-signature"), want: ErrHeader},
		"two IDs":                       {header: twice, want: ErrHeader},
		"an ID with a full stop":        {header: changed("webhook-id", "msg.1614265330"), want: ErrHeader},
		"a timestamp with a sign":       {header: changed("webhook-timestamp", "+1614265330"), want: ErrHeader},
		"a timestamp with a fraction":   {header: changed("webhook-timestamp", "1614265330.0"), want: ErrHeader},
		"a timestamp of many digits":    {header: changed("webhook-timestamp", "0001614265330"), want: ErrHeader},
		"more signatures than anybody":  {header: changed("webhook-signature", strings.Repeat("v1,AAAA ", 1000)+exampleSignature), want: ErrHeader},
		"an ID longer than any of ours": {header: changed("webhook-id", strings.Repeat("a", 65)), want: ErrHeader},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.secrets == nil {
				test.secrets = known
			}
			if test.body == "" {
				test.body = exampleBody
			}
			if test.now.IsZero() {
				test.now = now
			}
			err := Verify(test.secrets, test.header, []byte(test.body), test.now, 5*time.Minute)
			if !errors.Is(err, test.want) {
				t.Errorf("Verify: %v, want %v", err, test.want)
			}
		})
	}
}

// FuzzVerify: what is accepted carries a signature that we would have made.
func FuzzVerify(f *testing.F) {
	f.Add(exampleID, strconv.Itoa(exampleTimestamp), exampleSignature, []byte(exampleBody))
	f.Add(exampleID, strconv.Itoa(exampleTimestamp), "v1,AAAA v1a,BBBB "+exampleSignature+" ", []byte(exampleBody))
	f.Add("", "-1", "v1,", []byte{})
	f.Add("msg.1", "99999999999999999999", " v1,=", []byte("."))
	secrets := mustSecrets(f, exampleSecret)
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		header := http.Header{HeaderID: {id}, HeaderTimestamp: {timestamp}, HeaderSignature: {signatures}}
		err := Verify(secrets, header, body, now, 5*time.Minute)
		known := errors.Is(err, ErrHeader) || errors.Is(err, ErrTimestamp) || errors.Is(err, ErrSignature)
		if err != nil && !known {
			t.Fatalf("an error of no known kind: %v", err)
		}
		if err != nil {
			return
		}
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil {
			t.Fatalf("accepted the timestamp %q", timestamp)
		}
		at := time.Unix(seconds, 0)
		if at.Sub(now).Abs() > 5*time.Minute {
			t.Fatalf("accepted the timestamp %q", timestamp)
		}
		made := sign(secrets, id, at, body).Get(HeaderSignature)
		if !slices.Contains(strings.Split(signatures, " "), made) {
			t.Fatalf("accepted %q, where only %q is right", signatures, made)
		}
	})
}
