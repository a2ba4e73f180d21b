// Package crash disturbs the manager at every point where it leaves its process, lets it, or a
// fresh one, finish, and compares what is left of the world with an undisturbed run.
//
// A point is a write to the API server or a call to an operator. No list of them is kept: they
// are those of an undisturbed run, counted. At each of them, one run after another, the manager
// is stopped (before the point; after it was executed, unanswered; once it has the answer), gets
// a 409, a 500, or a 500 or a timeout after it was executed after all, or is held there while a
// second manager leads and wakes up beside it (Moments in package lifeline). Whole runs also have
// a cache that lags. What is written of operators and products beside every story is disturbed in
// all these ways in one story, and in one way, drawn, in each other. Then everything must be as in the undisturbed run (facts.go), and what holds
// always must hold (truths.go).
//
// # Adding a story
//
// A Story is a value in a function that stories() joins, in a file of its own. Open prepares the
// world before any manager runs. Tell is a script, told once, from the first write of a client to
// its end: it knows nothing of crashes, acts as an administrator or a client, and waits with
// World.Until and the shorthands beside it.
//
//	Story{
//		Name: "cancelled after it was delivered",
//		Tell: func(ctx context.Context, w *World) error {
//			return inTurn(ctx, w, order("order"), becomes("order", v1alpha1.PhaseDelivered),
//				cancel("order"), becomes("order", v1alpha1.PhaseCancelled))
//		},
//	}
//
// After Tell, the engine waits until the world is at rest (Facts.Unsettled) and equal to the
// undisturbed run. What a story has beyond orders, wallets and SM-DP+s it adds with World.Also.
// Things that must end with the manager (a facade) are started by Beside, through the same Line.
//
// A single run: go test ./test/crash -run 'TestCrash/delivered/update_esimorder/status' -v.
// CRASH_EVERYWHERE=1 tries everything, CRASH_SAMPLE=n so many disturbances of each story,
// CRASH_SEED=n draws those of a former run, CRASH_MOMENT=held tries that moment only, and
// CRASH_STAGES=n sets how many control planes are used at one time.
package crash
