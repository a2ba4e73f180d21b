package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// restStories are those of orders over REST, with facade and manager on one line.
func restStories() []Story {
	return []Story{
		overREST("ordered over REST, and again until it is known", false),
		overREST("ordered over REST by requests that say that they may be repeats", true),
	}
}

// overREST is a client that orders under one reference until it has an answer that tells the
// order's id, and then asks for that order.
func overREST(name string, idempotent bool) Story {
	return Story{
		Name: name, Known: true,
		Open: func(ctx context.Context, w *World) error {
			c := &restClient{reference: "TRIP_1", idempotent: idempotent, ids: map[int64]bool{}}
			w.Own = c
			w.Also("rest", func(ctx context.Context) (any, error) { return c.facts(ctx, w) })
			return c.register(ctx, w)
		},
		Beside: func(ctx context.Context, w *World, line *lifeline.Line) (func() error, error) {
			c, err := restClientOf(w)
			if err != nil {
				return nil, err
			}
			return c.startFacade(ctx, w, line)
		},
		Tell: func(ctx context.Context, w *World) error {
			c, err := restClientOf(w)
			if err != nil {
				return err
			}
			return inTurn(ctx, w, c.knowsProduct, c.orders, c.learnsCode)
		},
	}
}

// restClient is a client of the REST API.
type restClient struct {
	reference  string
	idempotent bool
	token      string
	product    int64
	// ids of orders that answers told, and code that one told.
	ids  map[int64]bool
	code bool

	mu sync.Mutex
	// base is where the facade is that was started last, and line what it is on.
	base string
	line *lifeline.Line
}

func restClientOf(w *World) (*restClient, error) {
	c, ok := w.Own.(*restClient)
	if !ok {
		return nil, fmt.Errorf("the world holds %T, not a client of the REST API", w.Own)
	}
	return c, nil
}

// register makes the client known: its ServiceAccount, its rights, and those of the facade.
func (c *restClient) register(ctx context.Context, w *World) error {
	if err := w.stage.env.ApplyFolder(ctx, "config/facade"); err != nil {
		return fmt.Errorf("installing the facade's rights: %w", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.Name, Name: access.LoginServiceAccount}}
	for _, object := range []client.Object{
		account,
		binding(w.Name, "esim-client", w.Name, account.Name),
		binding(w.Name, "esim-facade-client", testenv.SystemNamespace, facadeAccount),
	} {
		if err := w.API.Create(ctx, object); err != nil {
			return fmt.Errorf("registering a client: %w", err)
		}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{access.Audience}, ExpirationSeconds: ptr.To(int64(3600)),
	}}
	if err := w.API.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("making the client's token: %w", err)
	}
	c.token = request.Status.Token
	return nil
}

const facadeAccount = "esim-facade"

func binding(namespace, role, ofNamespace, account string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ofNamespace, Name: account}},
	}
}

// startFacade starts a facade whose steps out of its process go through line. It returns how to
// dismiss it.
func (c *restClient) startFacade(ctx context.Context, w *World, line *lifeline.Line) (dismiss func() error, err error) {
	identity, err := w.stage.env.ServiceAccountConfig(testenv.SystemNamespace, facadeAccount)
	if err != nil {
		return nil, err
	}
	identity = rest.CopyConfig(identity)
	identity.Wrap(func(inner http.RoundTripper) http.RoundTripper { return changesThrough(line, inner) })
	config := facade.DefaultConfig()
	config.RateLimits = v1alpha1.RateLimits{Read: 100_000, Order: 100_000, Quote: 100_000, Change: 100_000, Login: 100_000, Refresh: 100_000}
	config.CallTimeout = metav1.Duration{Duration: 2 * time.Second}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served, err := facade.New(ctx, identity, config, logr.Discard())
	if err != nil {
		cancel()
		return nil, fmt.Errorf("making a facade: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		return nil, fmt.Errorf("making a facade: %w", err)
	}
	c.mu.Lock()
	c.base, c.line = "http://"+listener.Addr().String(), line
	c.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(ctx, listener) }()
	go func() {
		defer cancel()
		select {
		case <-line.Stopped:
		case <-ctx.Done():
		}
	}()
	return func() error { cancel(); return <-ended }, nil
}

// changesThrough has what a facade changes, and whom it asks about, go through line. What it
// reads is no point.
func changesThrough(line *lifeline.Line, inner http.RoundTripper) http.RoundTripper {
	changing := line.Transport(inner)
	return listener(func(request *http.Request) (*http.Response, error) {
		switch {
		case request.Method != http.MethodGet:
			return changing.RoundTrip(request)
		case line.Dead():
			return nil, lifeline.ErrDead
		default:
			return inner.RoundTrip(request)
		}
	})
}

// answered is an answer of the REST API.
type answered struct {
	status int
	body   []byte
}

// call makes one request of the facade that was started last. No answer is no error: it may be
// lost at any time.
func (c *restClient) call(ctx context.Context, method, path string, body any) (answered, error) {
	c.mu.Lock()
	base, line := c.base, c.line
	c.mu.Unlock()
	text, err := json.Marshal(body)
	if err != nil {
		return answered{}, fmt.Errorf("writing a request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(text))
	if err != nil {
		return answered{}, fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Prefer", "wait=2")
	if c.idempotent {
		request.Header.Set("Idempotency-Key", c.reference)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answered{}, nil //nolint:nilerr // a lost answer is what the story is about
	}
	content, err := io.ReadAll(response.Body)
	if errors.Join(err, response.Body.Close()) != nil || line.Dead() {
		return answered{}, nil //nolint:nilerr // nor does a process that was stopped say anything
	}
	return answered{response.StatusCode, content}, nil
}

// knowsProduct waits until the product has the id that orders name it by.
func (c *restClient) knowsProduct(ctx context.Context, w *World) error {
	return w.Until(ctx, "the product has an id", func(ctx context.Context) (bool, error) {
		var product v1alpha1.EsimProduct
		if err := w.API.Get(ctx, client.ObjectKey{Name: w.Name}, &product); err != nil {
			return false, fmt.Errorf("reading the product: %w", err)
		}
		c.product = product.Status.ID
		return c.product != 0, nil
	})
}

// orders until an answer tells which order is made.
func (c *restClient) orders(ctx context.Context, w *World) error {
	return w.Until(ctx, "an answer tells the order's id", func(ctx context.Context) (bool, error) {
		answer, err := c.call(ctx, http.MethodPost, "/api/v1/esim/orders", map[string]any{
			"product_id": c.product, "amount": json.Number("4.5"), "client_reference": c.reference,
		})
		if err != nil {
			return false, err
		}
		var told struct {
			ID    int64 `json:"id"`
			Error struct {
				Message string `json:"message"`
				OrderID int64  `json:"order_id"`
			} `json:"error"`
		}
		switch answer.status {
		case http.StatusOK:
		case http.StatusBadRequest:
			if c.idempotent {
				return false, fmt.Errorf("a repeat was refused: %s", answer.body)
			}
		default:
			return false, nil // not there, or not well: again
		}
		if err := json.Unmarshal(answer.body, &told); err != nil {
			return false, fmt.Errorf("reading an answer: %w", err)
		}
		id := max(told.ID, told.Error.OrderID)
		if id == 0 {
			if told.Error.Message == "" || answer.status == http.StatusOK {
				return false, fmt.Errorf("an answer names no order: %s", answer.body)
			}
			// The facade's catalogue does not show the product yet.
			return false, nil
		}
		c.ids[id] = true
		return true, nil
	})
}

// learnsCode asks for the order until it is delivered.
func (c *restClient) learnsCode(ctx context.Context, w *World) error {
	for id := range c.ids {
		path := "/api/v1/esim/orders/" + strconv.FormatInt(id, 10)
		err := w.Until(ctx, "the order is delivered", func(ctx context.Context) (bool, error) {
			answer, err := c.call(ctx, http.MethodGet, path, nil)
			if err != nil || answer.status != http.StatusOK {
				return false, err
			}
			var order struct {
				ID     int64  `json:"id"`
				Status string `json:"status"`
				Code   string `json:"activation_code"`
			}
			if err := json.Unmarshal(answer.body, &order); err != nil {
				return false, fmt.Errorf("reading the order: %w", err)
			}
			c.ids[order.ID] = true
			c.code = order.Code != ""
			return order.Status == string(v1alpha1.PhaseDelivered) && c.code, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// restFacts are what a client knows in the end.
type restFacts struct {
	Orders, IDs int
	Known, Code bool
}

func (c *restClient) facts(ctx context.Context, w *World) (any, error) {
	var orders v1alpha1.EsimOrderList
	if err := w.API.List(ctx, &orders, client.InNamespace(w.Name)); err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	facts := restFacts{Orders: len(orders.Items), IDs: len(c.ids), Code: c.code}
	for i := range orders.Items {
		facts.Known = c.ids[orders.Items[i].Status.ID]
	}
	return facts, nil
}
