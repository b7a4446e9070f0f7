// Package hookpass is a webhook gatekeeper: a sidecar that lets only
// genuine webhook deliveries reach an application, each of them once.
package hookpass
