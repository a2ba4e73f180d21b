package secrecy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const ordersPath = "/api/v1/esim/orders"

// answers are all that the REST API ever answered.
var answers struct {
	mu  sync.Mutex
	all []answer
}

// answer is one answer of the REST API.
type answer struct {
	who          *caller
	method, path string
	status       int
	header       http.Header
	body         []byte
}

// object is the answer's body.
func (a answer) object() map[string]any {
	GinkgoHelper()
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var object map[string]any
	Expect(decoder.Decode(&object)).To(Succeed(), "%s %s answered %d", a.method, a.path, a.status)
	return object
}

// text is a field of the answer; empty where it has none.
func (a answer) text(field string) string {
	GinkgoHelper()
	if value, ok := a.object()[field]; ok {
		return fmt.Sprint(value)
	}
	return ""
}

// order is the number of the order that the answer shows with its code, if it may: POST of an
// order, one order, and its QR codes.
func (a answer) order() (id int64, ok bool) {
	if a.status != http.StatusOK || a.who == nil || !a.who.seesCodes {
		return 0, false
	}
	path, _, _ := strings.Cut(a.path, "?")
	if a.method == http.MethodPost && path == ordersPath {
		id, err := strconv.ParseInt(a.text("id"), 10, 64)
		return id, err == nil
	}
	rest, isOne := strings.CutPrefix(path, ordersPath+"/")
	if a.method != http.MethodGet || !isOne {
		return 0, false
	}
	for _, drawing := range []string{"/qr.png", "/qr.svg"} {
		rest = strings.TrimSuffix(rest, drawing)
	}
	id, err := strconv.ParseInt(rest, 10, 64)
	return id, err == nil
}

// caller calls the REST API; everything that it is answered is kept.
type caller struct {
	token     string
	namespace string
	// seesCodes tells that its role may see activation codes.
	seesCodes bool
}

func (c *caller) get(ctx context.Context, path string, headers ...string) answer {
	GinkgoHelper()
	return c.do(ctx, http.MethodGet, path, nil, headers...)
}

func (c *caller) post(ctx context.Context, path string, body any, headers ...string) answer {
	GinkgoHelper()
	return c.do(ctx, http.MethodPost, path, body, headers...)
}

// do makes a request. A body that is text is sent as it is, any other as JSON.
func (c *caller) do(ctx context.Context, method, path string, body any, headers ...string) answer {
	GinkgoHelper()
	var sent io.Reader
	switch content := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(content)
	default:
		text, err := json.Marshal(body)
		Expect(err).NotTo(HaveOccurred())
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, sent)
	Expect(err).NotTo(HaveOccurred())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	content, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	got := answer{c, method, path, response.StatusCode, response.Header, content}
	answers.mu.Lock()
	defer answers.mu.Unlock()
	answers.all = append(answers.all, got)
	return got
}

// bind gives a ServiceAccount a ClusterRole in a namespace.
func bind(ctx context.Context, namespace, role, ofNamespace, account string) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role + "." + account},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ofNamespace, Name: account}},
	})).To(Succeed())
}

// newCaller makes a ServiceAccount with a role, and a caller with a token of it.
func newCaller(ctx context.Context, namespace, name, role string) *caller {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(k8s.Create(ctx, account)).To(Succeed())
	bind(ctx, namespace, role, namespace, name)
	return &caller{
		token:     newToken(ctx, account, access.Audience),
		namespace: namespace, seesCodes: role == clientRole,
	}
}

const clientRole = "esim-client"

func newToken(ctx context.Context, account *corev1.ServiceAccount, audiences ...string) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: audiences, ExpirationSeconds: ptr.To(int64(3600)),
	}}
	Expect(k8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return register.keep(kindToken, "ServiceAccount "+account.Namespace+"/"+account.Name, request.Status.Token)
}

// newScraper is a caller of /metrics.
func newScraper(ctx context.Context) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "scraper"}}
	Expect(k8s.Create(ctx, account)).To(Succeed())
	Expect(k8s.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esim-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: testenv.SystemNamespace, Name: "scraper"}},
	})).To(Succeed())
	return newToken(ctx, account)
}
