// Package shard divides clients between several managers. A client is a namespace, and all that
// is its own (orders, wallets, terms) is there, so a namespace is what is divided: whoever works
// in it works on all of it.
//
// A manager works in the namespaces that its selector selects and that it holds. It holds a
// namespace by a claim, a Lease beside the managers' own that names the shard, and that only one
// can have. A claim is the shard's, not the process': within a shard, the leader election and its
// fence leave one process at work. It is not renewed; it holds for as long as the shard's own
// lease does. So it costs a write when a namespace is taken and when a new leader of the shard
// takes it over, and none per order.
//
// What keeps two from working in one namespace, whatever selectors say and labels become:
//
//   - A claim is made by a create, and changes hands by an update at its version: one of two wins.
//   - Who is not to hold a namespace any more lets nobody in, waits until all passes there have
//     ended, forgets what it knew of the client, and only then deletes its claim.
//   - A claim is taken from another shard only where that one's lease was let go, or was seen
//     unchanged for longer than it lasts. A leader whose lease ran out ends (leader.Fence), and
//     the next leader of that shard writes to each claim before it works by it: who came first
//     has the version.
//   - A manager without a selector works everywhere and claims nothing. It and managers with a
//     selector keep out of each other's way by their own leases, which tell what each works in:
//     each writes its own before it looks for the other's, so one of two that begin sees the other.
//
// What belongs to no client (operators, products, catalogues) is claimed like a namespace, by
// whichever shard comes first.
package shard
