// Package lanes keeps recipients apart. Each has a lane, which runs its jobs a few at a time
// and in their order; a recipient that is slow or dead fills its own lane and delays nobody
// else. Nothing here outlives the process: what must not be lost is kept elsewhere by who
// submits.
package lanes
