// Package restore saves all objects of a shop, loses the cluster, and puts the objects into a
// new one: nothing may be bought again, paid again, or lost. docs/backup.md describes the steps
// that these tests take.
package restore
