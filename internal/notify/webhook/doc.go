// Package webhook sends events to clients' endpoints over HTTP, signed as Standard Webhooks
// 1.0.0 says (https://www.standardwebhooks.com), and never to where a client must not reach:
// the address that is really connected to must be public, or be allowed by the platform team.
//
// One call is one try. When the next one is due is Wait's to say, and the caller's to keep.
package webhook
