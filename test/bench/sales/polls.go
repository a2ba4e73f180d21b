package sales

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/stand"
)

// DueOrders are DELIVERED and not installed: their operators are asked about them all the time.
const DueOrders = 20_000

// Polls measures how soon a new order gets to its operator while 20,000 delivered orders are due to
// be asked about, half of them at an operator that answers nothing at all, which takes new orders
// too: from an order's creation to its operator's first call, and to DELIVERED.
func Polls(ctx context.Context, orders int) (measured []figures.Figure, err error) {
	m, err := openMarket(ctx, testenv.AuditNone)
	if err != nil {
		return nil, err
	}
	defer func() { err = m.end(err) }()
	limited := func(operator *v1alpha1.EsimOperator) {
		operator.Spec.Limits = v1alpha1.OperatorLimits{RequestsPerSecond: 200, InFlight: 50}
	}
	if err := m.staff(ctx, []string{stand.Telco, stand.Zendit, stand.EsimAccess}, limited); err != nil {
		return nil, err
	}
	scraper, err := stand.NewScraper(ctx, m.buyer)
	if err != nil {
		return nil, err
	}
	for _, operator := range []string{stand.Zendit, stand.EsimAccess} {
		if err := m.loadDue(ctx, operator, orders/2); err != nil {
			return nil, err
		}
	}
	if err := m.simulator.Tell(ctx, http.MethodPost, "/"+stand.Zendit+"/faults", `{"kind": "hang"}`, nil); err != nil {
		return nil, err
	}
	// The first turn of all comes half a minute after their delivery, within six seconds.
	if err := sleepUntil(ctx, time.Now().Add(35*time.Second)); err != nil {
		return nil, err
	}
	asked, err := m.asked(ctx, scraper)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	hanging, err := m.hang(ctx, 200)
	if err != nil {
		return nil, err
	}
	passages, err := m.paced(ctx, "new", 400, 50*time.Millisecond, func(i int) *v1alpha1.EsimOrder {
		// Not of the clients whose orders hang.
		operator := []string{stand.Telco, stand.EsimAccess}[i%2]
		return newOrder(clientName(hanging+i%(clients-hanging)), fmt.Sprintf("new-%05d", i), operator)
	})
	if err != nil {
		return nil, err
	}
	lasted := time.Since(began)
	later, err := m.asked(ctx, scraper)
	if err != nil {
		return nil, err
	}
	var atTelco []passage
	var telco, access []float64
	for i, p := range passages {
		if i%2 == 0 {
			atTelco, telco = append(atTelco, p), append(telco, p.took().Seconds())
		} else {
			access = append(access, p.took().Seconds())
		}
	}
	first, err := m.firstCalls(ctx, atTelco)
	if err != nil {
		return nil, err
	}
	rush, err := m.rush(ctx, scraper)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("while %d delivered orders are asked about and an operator hangs", orders)
	return []figures.Figure{
		{Name: "new_order_delay_p99", What: "create → the operator's first call " + what + ", p99", Unit: "s", Values: []float64{quantile(first, 0.99)}},
		{Name: "new_order_delay_p50", What: "… p50", Unit: "s", Values: []float64{quantile(first, 0.5)}},
		{Name: "new_order_delivered_p99", What: "… create → DELIVERED, p99", Unit: "s", Values: []float64{quantile(telco, 0.99)}},
		{Name: "new_order_delivered_asked_p99", What: "… at the operator that is asked all the time, p99", Unit: "s", Values: []float64{quantile(access, 0.99)}},
		{Name: "polls_rate", What: "… questions that operator is asked meanwhile (it allows 200/s)", Unit: "1/s", Values: []float64{(later - asked) / lasted.Seconds()}},
		{Name: "restart_polls_most", What: fmt.Sprintf("… in the busiest second of the first %d after a manager's start", rushSeconds), Unit: "1/s", Values: []float64{rush}},
	}, nil
}

// rushSeconds is how long after a start questions are counted: orders that came due meanwhile
// are all due in its first moment.
const rushSeconds = 20

// rush starts the manager again, and tells how many questions the operator was asked in the second
// in which it was asked most.
func (m *market) rush(ctx context.Context, scraper *stand.Scraper) (most float64, err error) {
	if err := m.stopManager(); err != nil {
		return 0, err
	}
	if err := m.startManager(ctx); err != nil {
		return 0, err
	}
	began, before, last := time.Now(), 0.0, time.Now()
	for i := 1; i <= rushSeconds; i++ {
		if err := sleepUntil(ctx, began.Add(time.Duration(i)*time.Second)); err != nil {
			return 0, err
		}
		now, err := m.asked(ctx, scraper)
		if err != nil {
			return 0, err
		}
		at := time.Now()
		most, before, last = max(most, (now-before)/at.Sub(last).Seconds()), now, at
	}
	if before == 0 {
		return 0, errors.New("the operator was asked nothing after the manager's start")
	}
	return most, nil
}

// loadDue stores orders that an operator delivered a moment ago.
func (m *market) loadDue(ctx context.Context, operator string, orders int) error {
	name := "template-" + operator
	if err := m.deliver(ctx, name, operator); err != nil {
		return err
	}
	template, err := m.template(ctx, clientName(0), name)
	if err != nil {
		return err
	}
	template.prefix = operator
	return m.load(ctx, template, orders, justDelivered)
}

// hang has so many orders go to the operator that answers nothing, all of one client, which is
// returned as how many clients are not to be used.
func (m *market) hang(ctx context.Context, orders int) (clientsTaken int, err error) {
	for i := range orders {
		order := newOrder(clientName(0), fmt.Sprintf("hanging-%05d", i), stand.Zendit)
		if err := m.buyer.Create(ctx, order); err != nil {
			return 0, fmt.Errorf("creating an order: %w", err)
		}
	}
	return 1, nil
}

// asked is how many calls eSIM Access has answered.
func (m *market) asked(ctx context.Context, scraper *stand.Scraper) (calls float64, err error) {
	err = scraper.Read(ctx, m.metrics, func(name, labels string, value float64) {
		if name == "esim_operator_call_seconds_count" && hasLabel(labels, "operator", stand.EsimAccess) {
			calls += value
		}
	})
	return calls, err
}

// justDelivered has a stored order delivered now.
func justDelivered(order map[string]any, _ int) error {
	conditions, _, err := unstructured.NestedSlice(order, "status", "conditions")
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok {
			fields["lastTransitionTime"] = time.Now().UTC().Format(time.RFC3339)
		}
	}
	return unstructured.SetNestedSlice(order, conditions, "status", "conditions")
}
