package secrecy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// The kinds of credentials.
const (
	// A matching ID is the end of its activation code, and of letters and digits: whatever holds
	// the code, in any form, holds the matching ID in that form.
	kindMatchingID = "matching ID"
	kindToken      = "token"
	kindRefresh    = "refresh token"
	kindSecret     = "secret"
)

// book remembers every order that there ever was, also once it is deleted, and every secret that
// was given to anybody.
type book struct {
	mu      sync.Mutex
	orders  map[string]*known
	secrets []credential
}

// known is what is remembered of an order.
type known struct {
	types.NamespacedName
	uid types.UID
	id  int64
	// emails that it ever had.
	emails map[string]bool
}

// passed hears of every order that the manager wrote.
func (b *book) passed(order *v1alpha1.EsimOrder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.orders == nil {
		b.orders = map[string]*known{}
	}
	request := strings.ReplaceAll(string(order.UID), "-", "")
	found := b.orders[request]
	if found == nil {
		found = &known{
			NamespacedName: types.NamespacedName{Namespace: order.Namespace, Name: order.Name}, uid: order.UID, emails: map[string]bool{},
		}
		b.orders[request] = found
	}
	if order.Status.ID != 0 {
		found.id = order.Status.ID
	}
	if order.Spec.NotificationEmail != "" {
		found.emails[order.Spec.NotificationEmail] = true
	}
}

// keep remembers a secret and returns it.
func (b *book) keep(kind, owner, text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets = append(b.secrets, credential{kind, owner, text})
	return text
}

// byRequest is the order that a functionCallIdentifier belongs to: it begins with its UID.
func (b *book) byRequest(request string) *known {
	b.mu.Lock()
	defer b.mu.Unlock()
	uid, _, _ := strings.Cut(request, "-")
	return b.orders[uid]
}

// byID is the order that REST clients know by a number.
func (b *book) byID(id int64) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.orders {
		if k.id == id {
			return k.String()
		}
	}
	return ""
}

// deliveredTo tells whose delivered receipt a mail is; empty for any other mail.
func (b *book) deliveredTo(l letter, messageID func(about string) string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.orders {
		about := webhook.EventID(k.uid, v1alpha1.ReceiptDelivered+"\x00"+l.to)
		if k.emails[l.to] && messageID(about) == l.messageID() {
			return k.String()
		}
	}
	return ""
}

// credentials are all that must be seen by nobody else: what was to be written into a
// Secret, what passed on the wire, what the SM-DP+ wrote down, and what was remembered.
func (b *book) credentials() []credential {
	GinkgoHelper()
	owners := api.all()
	line.mu.Lock()
	issued := line.issued
	line.mu.Unlock()
	for _, i := range issued {
		owner := b.byRequest(i.request)
		Expect(owner).NotTo(BeNil(), "a call for an order that nobody has heard of")
		owners[i.matchingID] = owner.String()
	}
	for _, id := range writtenDown() {
		Expect(owners).To(HaveKey(id), "the SM-DP+ gave a matching ID out that did not pass on the wire")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := append([]credential(nil), b.secrets...)
	for id, owner := range owners {
		all = append(all, credential{kindMatchingID, owner, id})
	}
	return all
}

// writtenDown are the matching IDs in the SM-DP+'s own journal.
func writtenDown() []string {
	GinkgoHelper()
	journal, err := os.ReadFile(filepath.Join(dataDir, "state.jsonl"))
	Expect(err).NotTo(HaveOccurred())
	var ids []string
	lines := bufio.NewScanner(bytes.NewReader(journal))
	for lines.Scan() {
		var record struct {
			Profile struct {
				MatchingID string `json:"matchingId"`
			} `json:"profile"`
		}
		Expect(json.Unmarshal(lines.Bytes(), &record)).To(Succeed())
		if record.Profile.MatchingID != "" {
			ids = append(ids, record.Profile.MatchingID)
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	return ids
}
