package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	clocktesting "k8s.io/utils/clock/testing"
)

// oracle answers a question as it is told to, and counts.
type oracle struct {
	authorizer.Authorizer
	asked  atomic.Int64
	answer func(context.Context) (authorizer.Decision, error)
}

func (o *oracle) Authorize(ctx context.Context, _ authorizer.Attributes) (authorizer.Decision, string, error) {
	o.asked.Add(1)
	decision, err := o.answer(ctx)
	return decision, "", err
}

func seeing(who user.Info, change ...func(*authorizer.AttributesRecord)) authorizer.AttributesRecord {
	a := authorizer.AttributesRecord{User: who, Verb: "get", Namespace: "acme", APIGroup: "esim.telco.dev", Resource: "esimorders", ResourceRequest: true}
	for _, c := range change {
		c(&a)
	}
	return a
}

func TestACrowdWithOneQuestionAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		asked := &oracle{answer: func(context.Context) (authorizer.Decision, error) { <-answered; return authorizer.DecisionAllow, nil }}
		d := newDecisions(asked, clocktesting.NewFakePassiveClock(time.Now()))
		impatient, hangUp := context.WithCancel(t.Context())
		var group sync.WaitGroup
		// The first to ask hangs up; the answer is the others' all the same.
		group.Go(func() {
			if _, _, err := d.Authorize(impatient, seeing(&user.DefaultInfo{Name: "ann"})); !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up got %v", err)
			}
		})
		synctest.Wait()
		for range 5000 {
			group.Go(func() {
				if got, _, err := d.Authorize(t.Context(), seeing(&user.DefaultInfo{Name: "ann"})); err != nil || got != authorizer.DecisionAllow {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		hangUp()
		synctest.Wait()
		close(answered)
		group.Wait()
		if n := asked.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestAnAnswerCountsForItsTimeAndForItsQuestionAlone(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	var answer authorizer.Decision
	var fault error
	asked := &oracle{answer: func(context.Context) (authorizer.Decision, error) { return answer, fault }}
	d := newDecisions(asked, now)
	ann := &user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"a", "b"}, Extra: map[string][]string{"pod": {"x"}}}
	for _, step := range []struct {
		name   string
		later  time.Duration
		answer authorizer.Decision
		fault  error
		ask    authorizer.AttributesRecord
		asks   int64
		want   authorizer.Decision
	}{
		{"an outage is not remembered", 0, 0, errors.New("away"), seeing(ann), 1, authorizer.DecisionNoOpinion},
		{"so the next one asks", 0, authorizer.DecisionAllow, nil, seeing(ann), 1, authorizer.DecisionAllow},
		{"a yes counts", allowTTL - time.Second, authorizer.DecisionNoOpinion, nil, seeing(ann), 0, authorizer.DecisionAllow},
		{"for its time", 2 * time.Second, authorizer.DecisionNoOpinion, nil, seeing(ann), 1, authorizer.DecisionNoOpinion},
		{"a no counts", denyTTL - time.Second, authorizer.DecisionAllow, nil, seeing(ann), 0, authorizer.DecisionNoOpinion},
		{"for its time, which is shorter", 2 * time.Second, authorizer.DecisionAllow, nil, seeing(ann), 1, authorizer.DecisionAllow},
		{"another verb", 0, authorizer.DecisionDeny, nil, seeing(ann, func(a *authorizer.AttributesRecord) { a.Verb = "list" }), 1, authorizer.DecisionDeny},
		{"another namespace", 0, authorizer.DecisionDeny, nil, seeing(ann, func(a *authorizer.AttributesRecord) { a.Namespace = "other" }), 1, authorizer.DecisionDeny},
		{"a subresource", 0, authorizer.DecisionDeny, nil, seeing(ann, func(a *authorizer.AttributesRecord) { a.Subresource = "activationcode" }), 1, authorizer.DecisionDeny},
		{"another user", 0, authorizer.DecisionDeny, nil, seeing(&user.DefaultInfo{Name: "bob", UID: "1", Groups: ann.Groups, Extra: ann.Extra}), 1, authorizer.DecisionDeny},
		{"one of her name, made anew", 0, authorizer.DecisionDeny, nil, seeing(&user.DefaultInfo{Name: "ann", UID: "2", Groups: ann.Groups, Extra: ann.Extra}), 1, authorizer.DecisionDeny},
		{"in another group", 0, authorizer.DecisionDeny, nil, seeing(&user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"a", "c"}, Extra: ann.Extra}), 1, authorizer.DecisionDeny},
		{"with another attribute", 0, authorizer.DecisionDeny, nil, seeing(&user.DefaultInfo{Name: "ann", UID: "1", Groups: ann.Groups, Extra: map[string][]string{"pod": {"y"}}}), 1, authorizer.DecisionDeny},
	} {
		now.SetTime(now.Now().Add(step.later))
		answer, fault = step.answer, step.fault
		before := asked.asked.Load()
		got, _, err := d.Authorize(t.Context(), step.ask)
		if got != step.want || asked.asked.Load()-before != step.asks || !errors.Is(err, step.fault) {
			t.Errorf("%s: got %v, %v after asking %d times; want %v after %d", step.name, got, err, asked.asked.Load()-before, step.want, step.asks)
		}
	}
}
