package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

const (
	// leastMinor is the first Kubernetes 1.x that has MutatingAdmissionPolicy for good.
	leastMinor = 36
	// Clocks that differ by more than clockWarn mislead people, by more than clockFail programs:
	// tokens and certificates that are new are not valid yet.
	clockWarn = 5 * time.Second
	clockFail = time.Minute
)

// checkServer looks at the API server's version, and at the clocks.
func checkServer(ctx context.Context, i *Installation) []Finding {
	const object = "API server"
	before := i.Now()
	server, err := i.Server(ctx)
	if err != nil {
		f := unread(err, object, refusal.Call{Verb: "get", Resource: "/version"})
		f.Level = Fail
		return []Finding{f}
	}
	return []Finding{ofVersion(object, server), ofClock(server.Time, before, i.Now())}
}

func ofVersion(object string, server Server) Finding {
	minor, err := strconv.Atoi(strings.TrimRight(server.Minor, "+"))
	version := "Kubernetes " + server.Major + "." + server.Minor
	switch {
	case err != nil || server.Major != "1":
		return warn(object, version+" is a version that this program does not know", "see that it is 1."+strconv.Itoa(leastMinor)+" or later")
	case minor < leastMinor:
		return fail(object, version+" is too old for the admission policies", fmt.Sprintf("upgrade to 1.%d or later", leastMinor))
	}
	return ok(object, version)
}

// ofClock compares the API server's time with that before and after it was asked.
func ofClock(server, before, after time.Time) Finding {
	const object = "clock"
	var off time.Duration
	switch {
	case server.Add(time.Second).Before(before):
		off = before.Sub(server.Add(time.Second))
	case server.After(after):
		off = server.Sub(after)
	}
	message := fmt.Sprintf("this machine and the API server are %s apart", off.Round(time.Second))
	const remedy = "have both follow NTP; deadlines, tokens and certificates go by these clocks"
	switch {
	case off > clockFail:
		return fail(object, message, remedy)
	case off > clockWarn:
		return warn(object, message, remedy)
	}
	return ok(object, "this machine and the API server agree on the time")
}
