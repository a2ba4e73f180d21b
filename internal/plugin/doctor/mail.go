package doctor

import (
	"context"
	"fmt"
	"net"
	"net/mail"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// mailConfig is what the manager's configuration says of mail, as far as it can be checked.
type mailConfig struct {
	Host               string `json:"host"`
	Port               int    `json:"port"`
	Encryption         string `json:"encryption"`
	CAFile             string `json:"caFile"`
	CredentialsSecret  string `json:"credentialsSecret"`
	From               string `json:"from"`
	TemplatesConfigMap string `json:"templatesConfigMap"`
}

// MailServer is one that receipts go out by.
type MailServer struct {
	// Host to connect to, and to be in the certificate; Address with its port.
	Host, Address string
	// TLS tells that TLS begins at once, else STARTTLS has to be offered.
	TLS bool
	// Unchecked tells that the certificate is from a CA that only the manager has.
	Unchecked bool
}

// MailTrial connects to a mail server and agrees on TLS, and sends nothing. reached tells that it
// answered at all.
type MailTrial func(ctx context.Context, server MailServer) (reached bool, err error)

const mailObject = "receipts"

// checkMail looks whether receipts can go out.
func checkMail(ctx context.Context, i *Installation) []Finding {
	config, err := i.mailConfig(ctx)
	switch {
	case err != nil && config == nil:
		return []Finding{*err}
	case config.Host == "":
		return []Finding{ok(mailObject, "no mail server is configured, so none are sent (mail.host)")}
	}
	var findings []Finding
	if _, bad := mail.ParseAddress(config.From); bad != nil {
		findings = append(findings, fail(mailObject, fmt.Sprintf("mail.from is %q, which is no address", config.From), "set one such as eSIM shop <esim@example.com>"))
	}
	if f := i.mailCredentials(ctx, config.CredentialsSecret); f != nil {
		findings = append(findings, *f)
	}
	if f := i.mailTemplates(ctx, config.TemplatesConfigMap); f != nil {
		findings = append(findings, *f)
	}
	return append(findings, i.mailServer(ctx, config))
}

// mailConfig finds the manager's configuration by its Deployment, which may have been given
// another name.
func (i *Installation) mailConfig(ctx context.Context) (*mailConfig, *Finding) {
	list, unlisted := i.ours(ctx, mailObject)
	if unlisted != nil {
		return nil, unlisted
	}
	name := ""
	for at := range list {
		if list[at].Spec.Template.Labels[component] == "controllers" {
			name = configOf(&list[at])
		}
	}
	if name == "" {
		f := warn(mailObject, "the manager's configuration was not found, as it is no Deployment in namespace "+i.Namespace,
			"name its namespace with --manager-namespace; a manager that runs elsewhere cannot be looked at")
		return nil, &f
	}
	var stored corev1.ConfigMap
	if err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: name}, &stored); err != nil {
		f := unread(err, mailObject, refusal.Call{Verb: "get", Resource: "configmaps", Namespace: i.Namespace, Name: name})
		return nil, &f
	}
	var config struct {
		Mail mailConfig `json:"mail"`
	}
	if err := yaml.Unmarshal([]byte(stored.Data["config.yaml"]), &config); err != nil {
		f := fail(mailObject, "config.yaml in ConfigMap "+name+" cannot be read", "mend it; docs/configuration.md lists what may be in it")
		return nil, &f
	}
	return &config.Mail, nil
}

// configOf is the ConfigMap that a Deployment has its configuration from; empty for none.
func configOf(d *appsv1.Deployment) string {
	for _, volume := range d.Spec.Template.Spec.Volumes {
		if volume.Name == "config" && volume.ConfigMap != nil {
			return volume.ConfigMap.Name
		}
	}
	return ""
}

func (i *Installation) mailCredentials(ctx context.Context, name string) *Finding {
	if name == "" {
		return nil
	}
	where := fmt.Sprintf("Secret %s of namespace %s", name, i.Namespace)
	var secret corev1.Secret
	err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: name}, &secret)
	if err != nil && !absent(err) {
		f := unread(err, mailObject, refusal.Call{Verb: "get", Resource: "secrets", Namespace: i.Namespace, Name: name})
		return &f
	}
	if err == nil && len(secret.Data["username"]) > 0 && len(secret.Data["password"]) > 0 {
		return nil
	}
	f := fail(mailObject, where+" is not there, or lacks username or password", "create it; docs/receipts.md tells how")
	return &f
}

func (i *Installation) mailTemplates(ctx context.Context, name string) *Finding {
	if name == "" {
		return nil
	}
	err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: name}, &corev1.ConfigMap{})
	if err == nil {
		return nil
	}
	f := unread(err, mailObject, refusal.Call{Verb: "get", Resource: "configmaps", Namespace: i.Namespace, Name: name})
	if absent(err) {
		f = fail(mailObject, fmt.Sprintf("ConfigMap %s with the templates is not there", name), "create it in namespace "+i.Namespace+", or leave mail.templatesConfigMap out")
	}
	return &f
}

// mailServer tries the mail server out from here. That the manager reaches it is not certain by
// that, nor the contrary; its certificate is the same from everywhere.
func (i *Installation) mailServer(ctx context.Context, config *mailConfig) Finding {
	if config.Encryption == "none" {
		return ok(mailObject, "they go out by "+config.Host+" on the manager's own machine")
	}
	server := MailServer{Host: config.Host, TLS: config.Encryption == "tls", Unchecked: config.CAFile != ""}
	port := config.Port
	switch {
	case port != 0:
	case server.TLS:
		port = 465
	default:
		port = 587
	}
	server.Address = net.JoinHostPort(config.Host, strconv.Itoa(port))
	reached, err := i.Mail(ctx, server)
	switch {
	case err != nil && !reached:
		return warn(mailObject, fmt.Sprintf("the mail server %s cannot be reached from here: %v", server.Address, err),
			"the manager may reach it all the same; orders whose receipt waits have the condition ReceiptSent")
	case err != nil:
		return fail(mailObject, fmt.Sprintf("the mail server %s is not spoken to in secret: %v", server.Address, err),
			"set mail.encryption and mail.host to what the server's certificate and TLS are for")
	}
	return ok(mailObject, "they go out by "+server.Address+", which speaks TLS as seen from here; the manager was not asked")
}
