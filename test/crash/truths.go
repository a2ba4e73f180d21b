package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// credentials are what an activation Secret holds.
type credentials struct {
	iccid activation.ICCID
	code  activation.Code
}

// holds checks what must be so at the end of any run. lost counts DownloadOrder answers that
// never became known to anybody.
func (w *World) holds(ctx context.Context, lost int) error {
	var wrong []error
	bought := 0
	for _, seller := range w.sellers {
		bought += seller.bought()
		if n := seller.stranded(); n > lost {
			wrong = append(wrong, fmt.Errorf("%d profiles are stranded, for %d lost DownloadOrder answers", n, lost))
		}
	}
	wrong = append(wrong, w.codesAreLive(ctx), w.moneyIsForProfiles(ctx, bought), w.codesAreHidden(ctx))
	return errors.Join(wrong...)
}

// codesAreLive checks that each DELIVERED order has a profile of its own, with a code that
// downloads it while it is not on its device, and that no two orders have one number.
func (w *World) codesAreLive(ctx context.Context) error {
	var orders v1alpha1.EsimOrderList
	if err := w.API.List(ctx, &orders); err != nil {
		return fmt.Errorf("listing orders: %w", err)
	}
	var wrong []error
	profiles, numbers := map[string]string{}, map[int64]string{}
	for i := range orders.Items {
		order := &orders.Items[i]
		if other, taken := numbers[order.Status.ID]; taken && order.Status.ID != 0 {
			wrong = append(wrong, fmt.Errorf("%s and %s have the id %d", order.Name, other, order.Status.ID))
		}
		numbers[order.Status.ID] = order.Name
		if order.Status.Phase != v1alpha1.PhaseDelivered {
			continue
		}
		if other, taken := profiles[order.Status.Esim.ICCID]; taken {
			wrong = append(wrong, fmt.Errorf("%s and %s have one profile", order.Name, other))
		}
		profiles[order.Status.Esim.ICCID] = order.Name
		if order.Status.Activation == nil || !order.Status.Activation.CodeRemoved {
			wrong = append(wrong, w.codeIsLive(ctx, order))
		}
	}
	return errors.Join(wrong...)
}

func (w *World) codeIsLive(ctx context.Context, order *v1alpha1.EsimOrder) error {
	secret, err := w.Shop.Secret(ctx, order.Name)
	if err != nil {
		return err
	}
	if secret == nil {
		return fmt.Errorf("%s is DELIVERED and has no Secret", order.Name)
	}
	code, err := activation.ParseCode(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
	if err != nil {
		return fmt.Errorf("%s: its activation code: %w", order.Name, err)
	}
	for _, seller := range w.sellers {
		if seller.name != order.Status.Provisioning.OperatorRef.Name {
			continue
		}
		if code.SMDPAddress != seller.address {
			return fmt.Errorf("%s: its code names the SM-DP+ %s, not %s", order.Name, code.SMDPAddress, seller.address)
		}
		if !seller.live(credentials{activation.ICCID(order.Status.Esim.ICCID), code}) {
			return fmt.Errorf("%s is DELIVERED with a dead code", order.Name)
		}
		return nil
	}
	return fmt.Errorf("%s was delivered by %s, which nobody knows", order.Name, order.Status.Provisioning.OperatorRef.Name)
}

// moneyIsForProfiles checks that what the wallets spent is what was bought costs.
func (w *World) moneyIsForProfiles(ctx context.Context, bought int) error {
	var wallets v1alpha1.EsimWalletList
	if err := w.API.List(ctx, &wallets); err != nil {
		return fmt.Errorf("listing wallets: %w", err)
	}
	if len(wallets.Items) == 0 {
		return nil
	}
	spent, want := money.Amount{}, money.Amount{}
	price, err := money.Parse(string(testshop.Amount))
	if err != nil {
		return err
	}
	for range bought {
		want = want.Add(price)
	}
	for _, wallet := range wallets.Items {
		for _, deposit := range wallet.Spec.Deposits {
			paid, err := money.Parse(string(deposit.Amount))
			if err != nil {
				return err
			}
			spent = spent.Add(paid)
		}
		left, err := money.Parse(string(wallet.Status.Balance))
		if err != nil {
			return fmt.Errorf("wallet %s: its balance %q: %w", wallet.Name, wallet.Status.Balance, err)
		}
		spent = spent.Sub(left)
	}
	if !spent.Equal(want) {
		return fmt.Errorf("%s was spent for %d profiles, which cost %s", spent, bought, want)
	}
	return nil
}

// codesAreHidden searches all that the API server keeps, but for Secrets, for activation codes.
func (w *World) codesAreHidden(ctx context.Context) error {
	var hidden [][]byte
	for _, list := range w.secrets {
		for _, secret := range list() {
			hidden = append(hidden, []byte(secret))
		}
	}
	entries, err := w.stage.env.EtcdEntries(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Key, "/registry/secrets/") {
			continue
		}
		for _, secret := range hidden {
			if bytes.Contains(entry.Value, secret) {
				wrong = append(wrong, fmt.Errorf("%s holds an activation code", entry.Key))
			}
		}
	}
	return errors.Join(wrong...)
}
