package zendit

import (
	"context"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// plan is what an eSIM can be used for.
type plan struct {
	Status  webapi.Text `json:"status"`
	StartAt webapi.Text `json:"startAt"`
	EndAt   webapi.Text `json:"endAt"`
}

// Track asks for the plans of an eSIM. Zendit tells when it was installed first, and of each
// plan when it began and when it ends; not whether the eSIM was deleted.
func (d *Driver) Track(ctx context.Context, t operators.Tracked) (operators.Life, error) {
	life, failure := d.life(ctx, t.ICCID)
	if failure != nil {
		return operators.Life{}, failure
	}
	return life, nil
}

func (d *Driver) life(ctx context.Context, iccid activation.ICCID) (operators.Life, *operators.Error) {
	var answer struct {
		FirstInstalledAt webapi.Text       `json:"firstInstalledAt"`
		List             webapi.List[plan] `json:"list"`
	}
	found, failure := d.get(ctx, functionPlans, "/esim/"+string(iccid)+"/plans", func(body []byte) error {
		return webapi.Decode(body, &answer)
	})
	if failure != nil {
		return operators.Life{}, failure
	}
	if !found {
		return operators.Life{}, &operators.Error{Class: operators.Transient, Function: functionPlans, OneOrder: true,
			Message: "Zendit does not know the eSIM"}
	}
	return lived(moment(answer.FirstInstalledAt), answer.FirstInstalledAt != "", answer.List), nil
}

// lived joins what the plans of an eSIM say. It was used when its first plan began, and ends
// with its last.
func lived(installedAt time.Time, installed bool, plans []plan) operators.Life {
	life := operators.Life{Installed: installed, InstalledTime: installedAt}
	for _, p := range plans {
		began, ends := moment(p.StartAt), moment(p.EndAt)
		if !began.IsZero() && (life.UsedTime.IsZero() || began.Before(life.UsedTime)) {
			life.UsedTime = began
		}
		if ends.After(life.ExpiryTime) {
			life.ExpiryTime = ends
		}
	}
	// Nothing can be used that is on no device.
	life.Installed = life.Installed || !life.UsedTime.IsZero()
	return life
}
