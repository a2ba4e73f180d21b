package controllers

// MailsWaiting is how many clients' mails wait for their turn at the mail server.
func (r *CourierReconciler) MailsWaiting() int { return r.mailTurns.Waiting() }

// AtRest is atRest.
var AtRest = atRest
