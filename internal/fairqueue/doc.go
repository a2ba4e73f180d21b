// Package fairqueue holds what many clients want done, and hands it out in turn: the first of
// each client, then the second of each. A client that wants ten thousand things done waits for
// them itself; another one's single thing waits for no more than one of each client.
//
// Round is that order and nothing else. Queue is a controller's work queue in that order; Gate
// lets calls through in that order, so many at one time, and Pace so many a second. A client is
// known only while it wants something done: what all of this holds is in proportion to what waits.
package fairqueue
