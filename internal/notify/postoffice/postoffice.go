// Package postoffice sends receipts with the templates and the credentials that are in the
// cluster at the time: a change of either takes effect without a restart.
package postoffice

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

// Keys of the Secret with the mail server's credentials.
const (
	KeyUsername = "username"
	KeyPassword = "password"
)

const (
	// hold is how long templates and credentials are remembered.
	hold = 15 * time.Second
	// holdTrouble is how long it is remembered that they could not be read, or used: all the
	// receipts that wait for them ask again and again.
	holdTrouble = 5 * time.Second
)

// Office sends receipts. It is safe for concurrent use.
type Office struct {
	// Live reads the Secret and the ConfigMap from the API server.
	Live client.Reader
	// Server is the mail server, but for its credentials.
	Server mail.Server
	// Credentials is the Secret with username and password; without a name there are none.
	Credentials types.NamespacedName
	// Templates is the ConfigMap with templates that take the place of our own; without a name
	// there are none.
	Templates types.NamespacedName
	// Clock tells the time.
	Clock clock.PassiveClock
	// Log is told of templates that cannot be used.
	Log logr.Logger

	mu        sync.Mutex
	until     time.Time
	version   string
	templates *receipt.Templates
	sender    *mail.Sender
	// trouble is why nothing could be sent at the last look; nil where it could.
	trouble error
}

// Send sends a receipt to an address once. about names what the receipt is of: the same for the
// same, so that a mail that was sent twice can be recognised. Errors are those of mail.Sender,
// and those of reading credentials.
func (o *Office) Send(ctx context.Context, to, about string, r receipt.Receipt) error {
	templates, sender, err := o.ready(ctx)
	if err != nil {
		return err
	}
	message, err := templates.Render(r)
	if err != nil {
		// A customer gets the receipt all the same. What failed may tell of the receipt: it is not logged.
		o.Log.Info("A template of your own cannot show this receipt, ours is used", "kind", r.Kind, "configMap", o.Templates)
		if message, err = receipt.Default().Render(r); err != nil {
			return fmt.Errorf("writing the receipt: %w", err)
		}
	}
	return sender.Send(ctx, to, sender.MessageID(about), message)
}

// ready is what receipts are written and sent with at present.
func (o *Office) ready(ctx context.Context) (*receipt.Templates, *mail.Sender, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Clock.Now()
	if now.Before(o.until) {
		return o.templates, o.sender, o.trouble
	}
	trouble := o.load(ctx)
	if ctx.Err() == nil { // else it tells only that this receipt is not wanted any more
		o.until, o.trouble = now.Add(hold), trouble
		if trouble != nil {
			o.until = now.Add(holdTrouble)
		}
	}
	if trouble != nil {
		return nil, nil, trouble
	}
	return o.templates, o.sender, nil
}

// load reads credentials and templates. The lock is held.
func (o *Office) load(ctx context.Context) error {
	server := o.Server
	if o.Credentials.Name != "" {
		var secret corev1.Secret
		if err := o.Live.Get(ctx, o.Credentials, &secret); err != nil {
			return fmt.Errorf("reading the mail server's credentials: %w", err)
		}
		server.Username = string(secret.Data[KeyUsername])
		server.Password = activation.NewCredential(string(secret.Data[KeyPassword]))
		if server.Username == "" || server.Password.Empty() {
			return fmt.Errorf("the mail server's credentials: Secret %s needs %s and %s", o.Credentials, KeyUsername, KeyPassword)
		}
	}
	sender, err := mail.NewSender(server, o.Clock)
	if err != nil {
		return fmt.Errorf("setting up mail: %w", err)
	}
	if err := o.loadTemplates(ctx); err != nil {
		return err
	}
	o.sender = sender
	return nil
}

// loadTemplates reads the templates anew, if they changed. Those that cannot be used leave the
// last good ones in force, and at first our own: customers get their receipts all the same.
func (o *Office) loadTemplates(ctx context.Context) error {
	if o.templates == nil {
		o.templates = receipt.Default()
	}
	if o.Templates.Name == "" {
		return nil
	}
	var texts corev1.ConfigMap
	err := o.Live.Get(ctx, o.Templates, &texts)
	if apierrors.IsNotFound(err) {
		if o.version != "" {
			o.Log.Info("The templates of receipts are gone, our own are used", "configMap", o.Templates)
		}
		o.templates, o.version = receipt.Default(), ""
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the templates of receipts: %w", err)
	}
	if texts.ResourceVersion == o.version {
		return nil
	}
	o.version = texts.ResourceVersion
	parsed, err := receipt.Parse(texts.Data)
	if err != nil {
		o.Log.Error(err, "The templates of receipts cannot be used, those before are", "configMap", o.Templates)
		return nil
	}
	o.templates = parsed
	return nil
}
