package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/activation/qrcode"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

const qrLong = `Shows the QR code that installs an order's eSIM, in the terminal or as a PNG file.

Whoever sees it can install the eSIM in your place: you are asked before it is shown, and
before the code is read at all. --yes answers for you. The file is readable by you alone.`

func (p *plugin) qr() *cobra.Command {
	var file string
	var yes bool
	cmd := &cobra.Command{
		Use: "qr ORDER", Short: "Show an order's QR code, or save it as PNG", Long: qrLong,
		Example: `  kubectl esim qr trip-to-tokyo
  kubectl esim qr trip-to-tokyo -o esim.png`,
		Args: exact("ORDER"), ValidArgsFunction: p.completeOrder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runQR(cmd.Context(), args[0], file, yes)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "Write a PNG to this file, which must not exist yet, instead of the terminal")
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	return cmd
}

func (p *plugin) runQR(ctx context.Context, name, file string, yes bool) error {
	s, err := p.connect()
	if err != nil {
		return err
	}
	order, err := s.order(ctx, name)
	if err != nil {
		return err
	}
	if err := hasCode(order); err != nil {
		return err
	}
	if !yes {
		if err := p.confirmCode(order, file); err != nil {
			return err
		}
	}
	code, err := s.code(ctx, order)
	if err != nil {
		return err
	}
	drawing, err := qrcode.Draw(code)
	if err != nil {
		return err
	}
	if file != "" {
		return p.savePNG(drawing, file)
	}
	return p.showCode(drawing, code)
}

// hasCode says why an order has no code to show; nil where it has.
func hasCode(order *v1alpha1.EsimOrder) error {
	look := fmt.Sprintf("; see what became of it: kubectl esim describe %s -n %s", order.Name, order.Namespace)
	switch life := order.Status.Activation; {
	case order.Status.Phase != v1alpha1.PhaseDelivered || order.Status.Esim == nil:
		return fmt.Errorf("order %s is %s, and has no QR code%s", order.Name, order.Status.Phase, look)
	case life != nil && life.Installed:
		return fmt.Errorf("order %s is installed on a device; its code is of no use any more, and was removed%s", order.Name, look)
	}
	return nil
}

// confirmCode asks a person. Nobody to ask is a no.
func (p *plugin) confirmCode(order *v1alpha1.EsimOrder, file string) error {
	if !p.Terminal(p.In) {
		return errors.New("nobody is there to ask whether the code may be shown: give --yes if it may")
	}
	where := "here"
	if file != "" {
		where = "in " + file
	}
	question := fmt.Sprintf("Whoever sees the QR code can install the eSIM of order %s in your place.\nShow it %s? [y/N] ", order.Name, where)
	if err := flush(p.ErrOut, question); err != nil {
		return err
	}
	answer, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("reading your answer: %w; nothing was shown", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errors.New("nothing was shown")
	}
}

// code reads an order's activation code. Neither logs nor errors have it.
func (s *session) code(ctx context.Context, order *v1alpha1.EsimOrder) (activation.Credential, error) {
	name := order.Status.Esim.SecretRef.Name
	call := refusal.Call{
		Did: "read the activation code", Verb: "get", Resource: "secrets", Namespace: order.Namespace, Name: name, Role: "edit",
	}
	var secret corev1.Secret
	err := s.Get(quietly(ctx), client.ObjectKey{Namespace: order.Namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		return activation.Credential{}, fmt.Errorf("the Secret %s with the activation code is gone; tell the platform team: %w", name, err)
	}
	if err != nil {
		return activation.Credential{}, s.explain(ctx, err, call)
	}
	if secret.Type != v1alpha1.ActivationSecretType || !order.OwnsSecret(&secret) {
		return activation.Credential{}, fmt.Errorf("the Secret %s is not that of order %s; tell the platform team", name, order.Name)
	}
	code := activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
	if code.Empty() {
		return code, fmt.Errorf("the Secret %s holds no activation code any more: the eSIM was installed meanwhile", name)
	}
	return code, nil
}

// savePNG writes a file that only its owner reads, and never over another.
func (p *plugin) savePNG(drawing *qrcode.Drawing, name string) (err error) {
	picture, err := drawing.PNG()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already and is left as it is; choose another name with -o: %w", name, err)
	}
	if err != nil {
		return fmt.Errorf("creating the file: %w", err)
	}
	_, err = file.Write(picture)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return flush(p.ErrOut, fmt.Sprintf("The QR code is in %s. Delete the file once the eSIM is installed.\n", name))
}

// showCode prints the QR code, and what can be typed where no camera is at hand.
func (p *plugin) showCode(drawing *qrcode.Drawing, code activation.Credential) error {
	text := "\n" + drawing.Text(p.Terminal(p.Out)) + "\n"
	parsed, err := activation.ParseCode(code.Reveal())
	if err == nil {
		text += fmt.Sprintf("  SM-DP+ address    %s\n  Activation code   %s\n", parsed.SMDPAddress, parsed.MatchingID.Reveal())
		if parsed.ConfirmationCodeRequired {
			text += "  The phone will ask for a confirmation code, which the order's Secret may hold.\n"
		}
	}
	text += "\n  iPhone:  Settings > Mobile Service > Add eSIM > Use QR Code\n" +
		"  Android: Settings > Network & internet > SIMs > Add SIM > Set up an eSIM\n"
	return flush(p.Out, text)
}
