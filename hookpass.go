// Package hookpass is a webhook gatekeeper: a sidecar that lets only genuine
// webhook deliveries reach an application, each of them once.
//
// Importing it adds the handler verify_webhook and the app webhooks to Caddy, so
// that the module path is all that xcaddy needs:
//
//	xcaddy build --with github.com/hookpass/hookpass
package hookpass

import (
	_ "github.com/hookpass/hookpass/caddymodule" // registers the modules
	_ "github.com/hookpass/hookpass/console"
)
