package stand

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
)

// Scraper reads the metrics of managers, as a ServiceAccount that may.
type Scraper struct {
	token  string
	client *http.Client
}

// scraper is the name of the ServiceAccount.
const scraper = "scraper"

// NewScraper lets a ServiceAccount read metrics, for a day.
func NewScraper(ctx context.Context, admin client.Client) (*Scraper, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: scraper}}
	for _, object := range []client.Object{account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: scraper},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "esim-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}} {
		if err := admin.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("letting the metrics be read: %w", err)
		}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(24 * 3600))}}
	if err := admin.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("letting the metrics be read: %w", err)
	}
	return &Scraper{
		token: request.Status.Token,
		//nolint:gosec // the manager makes itself a certificate at each start; it is on this machine.
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		}},
	}, nil
}

// Read calls each with every metric of the manager that serves them at an address.
func (s *Scraper) Read(ctx context.Context, address string, each func(name, labels string, value float64)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/metrics", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for metrics: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	return Scrape(s.client, request, each)
}

// Scrape reads metrics in Prometheus' text format. Labels are what is between the braces.
func Scrape(by *http.Client, request *http.Request, each func(name, labels string, value float64)) (err error) {
	response, err := by.Do(request) //nolint:gosec // the address is one of this machine's.
	if err != nil {
		return fmt.Errorf("asking for metrics: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer))
	if err != nil || response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("metrics are answered %s", response.Status), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue // a value with a time behind it is none of ours
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		each(name, strings.TrimSuffix(labels, "}"), value)
	}
	return lines.Err()
}
