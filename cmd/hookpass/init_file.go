package main

import (
	"cmp"
	"fmt"
	"net"
	"strings"
)

// first is a first configuration: one provider, one application.
type first struct {
	entry

	app                   string // host and port
	secretEnv, secretFile string // one of them, or none where keys are fetched
	domain                string // empty: port 8080
	publicURL             string // empty: nobody signs it, or the domain tells
}

const firstPort = "8080"

// address is what the provider is given.
func (f first) address() string {
	switch {
	case f.domain != "":
		return "https://" + f.domain + path(f.ID)
	case f.publicURL != "":
		return f.publicURL + path(f.ID)
	default:
		return "https://<your domain>" + path(f.ID)
	}
}

// file is the configuration, in a format.
func (f first) file(format string) string {
	const by = "# Made by \"hookpass init\".\n"
	switch format {
	case formatCompose:
		return by + f.compose()
	case formatEnv:
		return by + f.environment()
	default:
		return by + f.caddyfile()
	}
}

func (f first) caddyfile() string {
	var b, block strings.Builder
	f.writeServers(&b)
	secret := "{env." + f.secretEnv + "}"
	if f.secretFile != "" {
		secret = "{file." + f.secretFile + "}"
	}
	for _, name := range f.Parameters() {
		fmt.Fprintf(&block, "\t\t\twith %s %s\n", name, variable(f.ID, name))
	}
	if f.publicURL != "" {
		fmt.Fprintf(&block, "\t\t\tpublic_url %s\n", f.publicURL)
	}
	endpoint := f.ID
	switch {
	case f.facts.FetchesKeys && block.Len() > 0:
		endpoint += " {\n" + block.String() + "\t\t}"
	case f.facts.FetchesKeys:
	case block.Len() > 0:
		endpoint += " {\n\t\t\tsecret " + secret + "\n" + block.String() + "\t\t}"
	default:
		endpoint += " " + secret
	}
	writeSite(&b, cmp.Or(f.domain, ":"+firstPort), f.ID, endpoint, f.app)
	return b.String()
}

// compose runs hookpass alone: the application is there, or has a file of its own.
func (f first) compose() string {
	var environment, more, secrets strings.Builder
	app := f.app
	if host, port, err := net.SplitHostPort(f.app); err == nil && host == "localhost" {
		// In the container, that is the container.
		app = "host.docker.internal:" + port
		more.WriteString("    extra_hosts: [\"host.docker.internal:host-gateway\"]\n")
	}
	set := func(name, value string) { fmt.Fprintf(&environment, "      HOOKPASS_%s: %s\n", name, value) }
	set("PROVIDER", f.ID)
	set("UPSTREAM", app)
	set("PATH", path(f.ID))
	if f.secretEnv != "" {
		set("SECRET", "${"+f.secretEnv+":?holds the secret}")
	}
	if f.secretFile != "" {
		set("SECRET_FILE", "/run/secrets/webhook_secret")
		more.WriteString("    secrets: [webhook_secret]\n")
		fmt.Fprintf(&secrets, "secrets:\n  webhook_secret:\n    file: %s # user 65532 has to be able to read it\n", f.secretFile)
	}
	if f.publicURL != "" {
		set("PUBLIC_URL", f.publicURL)
	}
	for _, name := range f.Parameters() {
		set("WITH_"+strings.ToUpper(name), "${"+variableOf(f.ID, name)+":?holds a parameter}")
	}
	return "services:\n  hookpass:\n    image: hookpass/hookpass\n    environment:\n" + environment.String() + more.String() + `    ports:
      - "8080:8080"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    stop_grace_period: 40s
    restart: unless-stopped
` + secrets.String()
}

func (f first) environment() string {
	var b strings.Builder
	fmt.Fprintf(&b, "HOOKPASS_PROVIDER=%s\nHOOKPASS_UPSTREAM=%s\nHOOKPASS_PATH=%s\n", f.ID, f.app, path(f.ID))
	if f.secretFile != "" {
		fmt.Fprintf(&b, "HOOKPASS_SECRET_FILE=%s\n", f.secretFile)
	}
	if f.publicURL != "" {
		fmt.Fprintf(&b, "HOOKPASS_PUBLIC_URL=%s\n", f.publicURL)
	}
	for _, name := range f.Parameters() {
		fmt.Fprintf(&b, "# %s\n%s=\n", f.With[name], sidecarVariable(name))
	}
	return b.String()
}

// sidecarVariable is the one of hookpass sidecar that holds a parameter.
func sidecarVariable(parameter string) string {
	return variablePrefix + "WITH_" + strings.ToUpper(parameter)
}

// sidecarFlags names the secret's variable, which the environment's file cannot.
func (f first) sidecarFlags() string {
	if f.secretEnv == "" {
		return ""
	}
	return " --secret-env " + f.secretEnv
}
