// Package crash stops the manager at every point where it leaves its process, lets a fresh
// one finish, and checks what was bought, delivered and left behind.
//
// The points are not listed anywhere: they are the writes to the API server and the calls to
// the operator that an undisturbed run makes, counted.
package crash
