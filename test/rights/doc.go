// Package rights proves that the roles of config/ give the manager and the facade the rights
// that they use, and no others: a real API server writes down what they ask of it while they do
// all that they can do.
package rights
