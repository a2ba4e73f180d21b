package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	apiAccount = "esim-api"
	// restLimit bounds one request; the facade itself waits shorter for the API server.
	restLimit = 45 * time.Second
	// restPause is between a 503 and the next try: shorter than the Retry-After that comes with it,
	// to ask often in the midst of failures.
	restPause = 500 * time.Millisecond
)

// restClient is a client of the REST API that judges every answer: it is right, or 503.
type restClient struct {
	world *world
	url   string
	token string

	mu      sync.Mutex
	answers map[int]int
	wrong   []error
	// unready is until when the API server may not know its roles: it serves before it has read
	// them, and refuses everybody. forbidden counts answers of 403 in that time.
	unready   time.Time
	forbidden int
}

// restOrder is what an answer tells of an order.
type restOrder struct {
	ID              int64  `json:"id"`
	Status          string `json:"status"`
	ClientReference string `json:"client_reference"`
}

func (w *world) newRESTClient(ctx context.Context, url string) (*restClient, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shopper, Name: apiAccount}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{"esim-api"}, ExpirationSeconds: ptr.To(int64(3600)),
	}}
	if err := w.env.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("getting a token for the REST API: %w", err)
	}
	return &restClient{world: w, url: url + "/api/v1/esim/orders", token: request.Status.Token, answers: map[int]int{}}, nil
}

// ask sends one request, and returns what is told of an order; nil where the answer was 503, which
// is no answer.
func (c *restClient) ask(ctx context.Context, method, path, key string, body []byte) (_ *restOrder, err error) {
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	asked := time.Now()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the facade: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Prefer", "wait=1")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the facade gives no answer: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, stand.MaxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the facade breaks off: %w", err)
	}
	c.mu.Lock()
	c.answers[answer.StatusCode]++
	c.mu.Unlock()
	if c.forgives(answer.StatusCode, asked) {
		return nil, nil
	}
	if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "" {
		return nil, nil
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is answered %s: %s", method, answer.Status, text)
	}
	var found restOrder
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("reading the facade's answer: %w", err)
	}
	return &found, nil
}

// deniedFor is how long the facade may remember that an API server denied something.
const deniedFor = 3 * time.Second

// restarting notes that the API server ends, and ready that it is ready again.
func (c *restClient) restarting() { c.forgiveUntil(time.Now().Add(limit)) }
func (c *restClient) ready()      { c.forgiveUntil(time.Now().Add(deniedFor)) }

func (c *restClient) forgiveUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unready = t
}

// forgives tells whether an answer is what an API server that has just begun made of it.
func (c *restClient) forgives(status int, asked time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if status != http.StatusForbidden || asked.After(c.unready) {
		return false
	}
	c.forbidden++
	return true
}

// order has a client order over REST until it is told that its order is there. While it is not, it
// reads one that was delivered before.
func (c *restClient) order(ctx context.Context, reference, known string, knownID int64) (int64, error) {
	body, err := json.Marshal(map[string]any{
		"product_id": productID, "amount": json.Number(offers["es2plus"].amount), "client_reference": reference,
		"notification_email": mailAddress(strings.ToLower(reference)),
	})
	if err != nil {
		return 0, fmt.Errorf("writing an order: %w", err)
	}
	for {
		// With the key, a repeat is answered with the order of the first.
		made, err := c.ask(ctx, http.MethodPost, "", reference, body)
		switch {
		case err != nil:
			return 0, err
		case made != nil && (made.ID == 0 || made.ClientReference != reference):
			return 0, fmt.Errorf("POST of %s is answered with order %d of %q", reference, made.ID, made.ClientReference)
		case made != nil:
			return made.ID, nil
		}
		if err := c.read(ctx, known, knownID); err != nil {
			return 0, err
		}
		if !pause(ctx, restPause) {
			return 0, context.Cause(ctx)
		}
	}
}

// read holds what the facade says of an order that was delivered long ago against what is so.
func (c *restClient) read(ctx context.Context, reference string, id int64) error {
	if id == 0 {
		return nil
	}
	found, err := c.ask(ctx, http.MethodGet, fmt.Sprintf("/%d", id), "", nil)
	if err != nil || found == nil {
		return err
	}
	if found.ID != id || found.ClientReference != reference || found.Status != "DELIVERED" {
		return fmt.Errorf("GET of the delivered order %d of %s is answered with %+v", id, reference, *found)
	}
	return nil
}

// shop orders and reads over REST, one after another, until the returned function is called. That
// tells what was wrong.
func (c *restClient) shop(ctx context.Context) (stop func() error) {
	shopping, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	ctx = c.world.life
	c.world.dying = append(c.world.dying, end, running.Wait)
	ids := map[string]int64{}
	running.Go(func() {
		known := ""
		for n := 0; shopping.Err() == nil; n++ {
			reference := fmt.Sprintf("REST-%d", n)
			id, err := c.order(ctx, reference, known, ids[known])
			if err != nil {
				c.fail(fmt.Errorf("%s: %w", reference, err))
				return
			}
			ids[reference] = id
			if err := c.note(ctx, reference, id); err != nil {
				c.fail(err)
				return
			}
			if known == "" {
				known = reference
			}
			if err := c.read(ctx, known, ids[known]); err != nil {
				c.fail(err)
			}
			pause(shopping, trickleEvery)
		}
	})
	return func() error {
		end()
		running.Wait()
		return errors.Join(c.wrong...)
	}
}

func (c *restClient) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, err)
}

// note adds an order that was made over REST to all that were made, by the name that its id gives it;
// the first waits until it is delivered, to be read again and again.
func (c *restClient) note(ctx context.Context, reference string, id int64) error {
	placed := &ordered{key: types.NamespacedName{Namespace: shopper, Name: fmt.Sprintf("o-%d", id)}, variant: "es2plus", asked: time.Now(), at: time.Now()}
	c.world.mu.Lock()
	c.world.orders = append(c.world.orders, placed)
	c.world.mu.Unlock()
	if reference != "REST-0" {
		return nil
	}
	return c.world.delivered(ctx, []*ordered{placed})
}

// judge holds what was told of orders against the orders.
func (c *restClient) judge(orders []v1alpha1.EsimOrder) error {
	references := map[string]int{}
	for i := range orders {
		if reference := orders[i].Spec.ClientReference; reference != "" {
			references[reference]++
		}
	}
	for reference, times := range references {
		if times != 1 {
			return fmt.Errorf("there are %d orders of reference %s", times, reference)
		}
	}
	return nil
}

// tally is how often the facade answered with what.
func (c *restClient) tally() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(c.answers)) {
		parts = append(parts, fmt.Sprintf("%d × %d", c.answers[status], status))
	}
	return strings.Join(parts, ", ")
}
