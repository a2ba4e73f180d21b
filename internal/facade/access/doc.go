// Package access decides who may do what at the REST facade. Every answer is the API
// server's: a TokenReview says who is calling, a SubjectAccessReview whether they may, and
// the TokenRequest API makes the tokens of those who log in. What is here is how they are
// asked, how long an answer counts, how often and from where a client may ask at all.
//
// A client is a namespace. A caller belongs to the namespace of its ServiceAccount, and is
// never asked about in any other.
package access
