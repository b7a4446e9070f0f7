package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// cluster is what an overlay asks of a cluster, decoded as its API server does
// with strict field validation.
type cluster struct {
	namespaces []corev1.Namespace
	secrets    []corev1.Secret
	deployment appsv1.Deployment
	service    corev1.Service
	policy     networkingv1.NetworkPolicy
}

func kustomize(t *testing.T, folder string) cluster {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var c cluster
	for _, r := range resources.Resources() {
		text, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		decode := func(into any) {
			t.Helper()
			if unknown, err := json.UnmarshalStrict(text, into); err != nil || len(unknown) > 0 {
				t.Fatalf("%s: %v %v", r.CurId(), err, unknown)
			}
		}
		switch kind := r.GetApiVersion() + " " + r.GetKind(); kind {
		case "v1 Namespace":
			var namespace corev1.Namespace
			decode(&namespace)
			c.namespaces = append(c.namespaces, namespace)
		case "v1 Secret":
			var secret corev1.Secret
			decode(&secret)
			c.secrets = append(c.secrets, secret)
		case "apps/v1 Deployment":
			decode(&c.deployment)
		case "v1 Service":
			decode(&c.service)
		case "networking.k8s.io/v1 NetworkPolicy":
			decode(&c.policy)
		default:
			t.Fatalf("%s is of a kind that is not tested", kind)
		}
	}
	return c
}

// overlay is a copy of the manifests, with the file that the user writes.
func overlay(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("kubernetes")); err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(folder, "example")
	if err := os.WriteFile(filepath.Join(example, "secret.env"), []byte("secret=whsec_c2VjcmV0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return example
}

// What Kubernetes gets holds together: each name that one part says is there in
// another, and the application is reached through hookpass alone.
func TestKubernetes(t *testing.T) {
	for name, folder := range map[string]string{"base": "kubernetes/base", "example": overlay(t)} {
		t.Run(name, func(t *testing.T) {
			c := kustomize(t, folder)
			pod := c.deployment.Spec.Template
			if len(pod.Spec.InitContainers) != 1 || len(pod.Spec.Containers) != 1 {
				t.Fatalf("%d init containers and %d containers", len(pod.Spec.InitContainers), len(pod.Spec.Containers))
			}
			hookpass, application := pod.Spec.InitContainers[0], pod.Spec.Containers[0]
			if p := hookpass.RestartPolicy; p == nil || *p != corev1.ContainerRestartPolicyAlways {
				t.Error("hookpass is an init container that ends, not a sidecar")
			}

			ports := map[string]int32{}
			for _, port := range slices.Concat(hookpass.Ports, application.Ports) {
				ports[port.Name] = port.ContainerPort
			}
			for what, probe := range map[string]*corev1.Probe{"startup": hookpass.StartupProbe, "liveness": hookpass.LivenessProbe, "readiness": hookpass.ReadinessProbe} {
				if probe == nil || probe.HTTPGet == nil || ports[probe.HTTPGet.Port.StrVal] != 8081 {
					t.Errorf("the %s probe asks elsewhere than hookpass answers", what)
				}
			}
			if hookpass.ReadinessProbe.HTTPGet.Path != "/readyz" || hookpass.LivenessProbe.HTTPGet.Path != "/livez" || hookpass.StartupProbe.HTTPGet.Path != "/livez" {
				t.Error("a probe asks another question")
			}

			labels := pod.Labels
			for what, selector := range map[string]map[string]string{
				"deployment":     c.deployment.Spec.Selector.MatchLabels,
				"service":        c.service.Spec.Selector,
				"network policy": c.policy.Spec.PodSelector.MatchLabels,
			} {
				if len(selector) == 0 {
					t.Errorf("the %s selects everything", what)
				}
				for key, value := range selector {
					if labels[key] != value {
						t.Errorf("the %s does not select the pod", what)
					}
				}
			}
			if len(c.policy.Spec.PodSelector.MatchExpressions) != 0 {
				t.Error("the network policy selects less than the pod")
			}

			if got := c.service.Spec.Ports; len(got) != 1 || got[0].TargetPort.IntVal != ports["webhooks"] {
				t.Errorf("the service leads to %v", got)
			}
			if !slices.Equal(c.policy.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) || len(c.policy.Spec.Ingress) != 1 {
				t.Fatalf("the network policy is %+v", c.policy.Spec)
			}
			if got := c.policy.Spec.Ingress[0].Ports; len(got) != 1 || got[0].Port.IntVal != ports["webhooks"] || got[0].EndPort != nil {
				t.Errorf("the network policy opens %v", got)
			}
			if upstream := variable(hookpass, "HOOKPASS_UPSTREAM").Value; upstream != "localhost:3000" || ports["application"] != 3000 {
				t.Errorf("hookpass forwards to %s", upstream)
			}
			if got := c.deployment.Spec.Replicas; *got != 1 && !strings.HasPrefix(variable(hookpass, "HOOKPASS_DEDUP").Value, "redis") {
				t.Errorf("%d pods that do not share their memory", *got)
			}
		})
	}
}

// The secret of the overlay is the one that hookpass reads.
func TestKubernetesSecret(t *testing.T) {
	c := kustomize(t, overlay(t))
	reference := variable(c.deployment.Spec.Template.Spec.InitContainers[0], "HOOKPASS_SECRET").ValueFrom.SecretKeyRef
	if len(c.secrets) != 1 || c.secrets[0].Name != reference.Name || c.secrets[0].Namespace != c.deployment.Namespace {
		t.Fatalf("%v does not hold %v", c.secrets, reference)
	}
	if got := string(c.secrets[0].Data[reference.Key]); got != "whsec_c2VjcmV0" {
		t.Errorf("the secret is %q", got)
	}
	if reference.Optional != nil {
		t.Error("hookpass starts without its secret")
	}
}

// The namespace of the overlay admits nothing but what Kubernetes calls
// restricted, and its own judge says that the pod is.
func TestKubernetesPodIsRestricted(t *testing.T) {
	c := kustomize(t, overlay(t))
	if len(c.namespaces) != 1 || c.namespaces[0].Labels[api.EnforceLevelLabel] != string(api.LevelRestricted) {
		t.Errorf("the namespace admits everything: %v", c.namespaces)
	}
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pod := c.deployment.Spec.Template
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range judge.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if read := container.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
			t.Errorf("%s may write to its root file system", container.Name)
		}
	}
}

func variable(c corev1.Container, name string) corev1.EnvVar {
	for _, v := range c.Env {
		if v.Name == name {
			return v
		}
	}
	return corev1.EnvVar{}
}
