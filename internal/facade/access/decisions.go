package access

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"
)

// maxDecisions bounds how many answers are remembered.
const maxDecisions = 10_000

// decisions remembers what an authorizer answered, and asks it once for all who want to know
// the same at one time: thousands of requests that wait for their orders all come with one
// question when these are delivered. It is safe for concurrent use.
type decisions struct {
	authorizer.Authorizer
	known *cache.LRUExpireCache
	// heard are the answers of the last minutes, for when there are no others.
	heard   *lastWords[question, decision]
	flights singleflight.Group
}

func newDecisions(of authorizer.Authorizer, c clock.PassiveClock) *decisions {
	return &decisions{
		Authorizer: of, known: cache.NewLRUExpireCacheWithClock(maxDecisions, c),
		heard: newLastWords[question, decision](c, maxDecisions),
	}
}

// decision is an answer that is no error: errors are not remembered.
type decision struct {
	authorizer.Decision
	reason string
}

// Authorize answers as the authorizer does, or did moments ago: allowTTL, or denyTTL. Who
// asks together with others waits for no longer than its own ctx. Where there is no answer, the
// last one counts for who is Reading.
func (d *decisions) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	asked := questionOf(a)
	if known, ok := d.known.Get(asked); ok {
		if of, ok := known.(decision); ok {
			return of.Decision, of.reason, nil
		}
	}
	reading := isReading(ctx)
	if reading {
		if of, ok := d.heard.meanwhile(asked); ok {
			return of.Decision, of.reason, nil
		}
	}
	answered := d.flights.DoChan(asked.text(), func() (any, error) {
		// Whoever asked first may hang up: the others go on waiting.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		made, reason, err := d.Authorizer.Authorize(ctx, a)
		if err != nil {
			return nil, err
		}
		ttl := denyTTL
		if made == authorizer.DecisionAllow {
			ttl = allowTTL
		}
		of := decision{Decision: made, reason: reason}
		d.known.Add(asked, of, ttl)
		d.heard.heard(asked, of, time.Time{})
		return of, nil
	})
	select {
	case <-ctx.Done():
		return authorizer.DecisionNoOpinion, "", fmt.Errorf("waiting for the answer: %w", ctx.Err())
	case answer := <-answered:
		of, ok := answer.Val.(decision)
		if !ok && reading {
			of, ok = d.heard.unanswered(asked)
		}
		if !ok {
			return authorizer.DecisionNoOpinion, "", answer.Err
		}
		return of.Decision, of.reason, nil
	}
}

// question is the same for two requests whose answer is: all that a SubjectAccessReview holds,
// of requests without object names and selectors.
type question struct {
	user, verb, namespace, group, version, resource, subresource string
}

func questionOf(a authorizer.Attributes) question {
	q := question{
		verb: a.GetVerb(), namespace: a.GetNamespace(), group: a.GetAPIGroup(), version: a.GetAPIVersion(),
		resource: a.GetResource(), subresource: a.GetSubresource(),
	}
	switch who := a.GetUser().(type) {
	case nil:
	case *questioned:
		q.user = who.text
	default:
		q.user = string(describe(who))
	}
	return q
}

// text is another for each question.
func (q question) text() string {
	return string(add(nil, q.user, q.verb, q.namespace, q.group, q.version, q.resource, q.subresource))
}

// questioned is a user, and what questionOf makes of it: the same for each request.
type questioned struct {
	user.Info
	text string
}

func asQuestioned(who user.Info) user.Info {
	return &questioned{Info: who, text: string(describe(who))}
}

// describe is all that a SubjectAccessReview says of a user.
func describe(who user.Info) []byte {
	text := add(add(nil, who.GetName(), who.GetUID()), who.GetGroups()...)
	extra := who.GetExtra()
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		text = add(add(text, name), extra[name]...)
	}
	return text
}

// add appends a list so that none runs into the next: with its length, and each text's.
func add(to []byte, list ...string) []byte {
	to = binary.AppendUvarint(to, uint64(len(list)))
	for _, text := range list {
		to = append(binary.AppendUvarint(to, uint64(len(text))), text...)
	}
	return to
}
