package simtest

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// notice is a notice of the police, or an item that is no valid event.
type notice struct {
	id       int64 // 0 if the item is no event
	versions []*version
	// withdrawn is the time from which the API no longer shows the notice; zero if it
	// always does.
	withdrawn time.Time
	// hiddenFrom and hiddenTo bound a time in which the API does not show the notice.
	hiddenFrom, hiddenTo time.Time
}

// version is one version of a notice.
type version struct {
	notice    *notice
	published time.Time
	time      time.Time // of the event, in Swedish time
	day       string    // such as "2000-01-31"
	hour      string    // such as "2000-01-31 09"
	raw       string
	// key identifies the line of the version in an archive.
	key string
}

// api is the model of the events API. Its figures are those of API.md in package polisen.
type api struct {
	notices []*notice            // by the time of publication
	byDay   map[string][]*notice // by each day that a version has
	byKey   map[string]*version
	ids     map[int64]bool
}

// The model's figures.
const (
	perDay       = 68                  // notices a day
	before       = 11 * 24 * time.Hour // time before the history from which all notices exist
	longBefore   = 180 * 24 * time.Hour
	oldEvents    = 60 // between longBefore and before
	revisedShare = 0.026
)

// newAPI returns the API with the notices of a history that begins at start.
func newAPI(p Plan, start time.Time) *api {
	a := &api{byDay: make(map[string][]*notice), byKey: make(map[string]*version), ids: make(map[int64]bool)}
	d := draw(hashOf(p.Seed, "api"))
	sequence := int64(100_000)
	for i := range time.Duration(oldEvents) { // for mismatched responses
		at := start.Add(-longBefore + i*(longBefore-before)/oldEvents)
		sequence += 50
		a.add(&d, p, sequence, at, at.Add(time.Hour))
	}
	end := start.Add(p.length() + calmTime)
	every := 24 * time.Hour / perDay
	for at := start.Add(-before); at.Before(end); at = at.Add(d.between(every/8, every*3)) {
		sequence += 1 + int64(d.pick(20))
		id := sequence
		if d.chance(0.01) {
			id -= int64(d.pick(39_306))
		}
		published := at.Add(d.delay())
		a.add(&d, p, id, at, published)
		// A bulk arrival. Its events are new: see "Limits" in PROTOCOL.md of package archive.
		if p.Bulk > 0 && d.chance(1.0/600) {
			for range p.Bulk {
				sequence++
				a.add(&d, p, sequence, published.Add(-d.between(time.Second, time.Minute)), published.Add(d.between(time.Second, time.Minute)))
			}
		}
		if p.Damaged > 0 && d.chance(p.Damaged) {
			a.addDamaged(&d, sequence, published)
		}
	}
	slices.SortStableFunc(a.notices, func(x, y *notice) int { return x.versions[0].published.Compare(y.versions[0].published) })
	return a
}

// delay returns the time from an event to its publication.
func (d *draw) delay() time.Duration {
	switch {
	case d.chance(0.95):
		return d.between(3*time.Minute, 90*time.Minute)
	case d.chance(0.8):
		return d.between(90*time.Minute, 400*time.Minute)
	default:
		return d.between(400*time.Minute, 483*time.Hour)
	}
}

// add adds a notice of an event. Ids are unique: a repeated one is left out.
func (a *api) add(d *draw, p Plan, id int64, at, published time.Time) {
	n := &notice{id: id}
	if !a.addVersion(n, at, published, "first") {
		return
	}
	share := revisedShare
	if p.Revised > 0 {
		share = p.Revised
	}
	for i := 2; d.chance(share) && i < 5; i++ {
		published = published.Add(d.between(20*time.Minute, 30*time.Hour))
		if d.chance(p.Moved) { // most often across midnight
			moved := at.Add(d.sign() * d.between(time.Hour, 24*time.Hour))
			if moved.Before(published) { // as in all recorded polls
				at = moved
			}
		}
		a.addVersion(n, at, published, fmt.Sprint("text ", i))
	}
	switch {
	case d.chance(0.004):
		n.withdrawn = published.Add(d.between(10*time.Minute, 12*time.Hour))
	case d.chance(0.025):
		n.hiddenFrom = published.Add(d.between(time.Hour, 100*time.Hour))
		n.hiddenTo = n.hiddenFrom.Add(d.between(time.Hour, 50*time.Hour))
	}
	a.notices = append(a.notices, n)
}

// addVersion adds a version, and reports false if the API has the line already or if the
// date would differ by more than a day from that of another version: see "Limits" in
// PROTOCOL.md of package archive.
func (a *api) addVersion(n *notice, at, published time.Time, text string) bool {
	at = polisen.InSweden(at.Truncate(time.Second))
	isFar := func(v *version) bool { return at.Sub(v.time).Abs() > 24*time.Hour }
	if slices.ContainsFunc(n.versions, isFar) {
		return false
	}
	v := newVersion(n, at, published)
	v.raw = fmt.Sprintf(`{"id":%d,"datetime":"%s","summary":"%s"}`, n.id, polisentest.DateTime(at), text)
	v.key = v.raw
	return a.register(v)
}

// newVersion returns a version without its text. The time at is in Swedish time.
func newVersion(n *notice, at, published time.Time) *version {
	hour := at.Format("2006-01-02 15")
	return &version{notice: n, published: published, time: at, day: hour[:len(time.DateOnly)], hour: hour}
}

// register adds a version to its notice. It reports false if the API has its line already,
// or another notice of the id.
func (a *api) register(v *version) bool {
	if v.notice.id != 0 && len(v.notice.versions) == 0 && a.ids[v.notice.id] || a.byKey[v.key] != nil {
		return false
	}
	a.byKey[v.key], a.ids[v.notice.id] = v, true
	v.notice.versions = append(v.notice.versions, v)
	if of := a.byDay[v.day]; len(of) == 0 || of[len(of)-1] != v.notice {
		a.byDay[v.day] = append(of, v.notice)
	}
	return true
}

// addDamaged adds an item that is no valid event.
func (a *api) addDamaged(d *draw, sequence int64, published time.Time) {
	n := &notice{}
	at := polisen.InSweden(published)
	v := newVersion(n, at, published)
	switch d.pick(3) {
	case 0:
		v.raw = fmt.Sprintf(`{"id":"x%d","datetime":"%s"}`, sequence, polisentest.DateTime(at))
	case 1:
		v.raw = fmt.Sprintf(`{"id":%d,"datetime":"soon"}`, sequence)
	default:
		v.raw = fmt.Sprint(sequence)
	}
	v.key = rejectedKey(v.raw)
	if a.register(v) {
		a.notices = append(a.notices, n)
	}
}

// rejectedKey returns the key of the line of a rejected item.
func rejectedKey(raw string) string { return "rejected " + raw }

// current returns the version that the API shows at a time; nil if it shows none.
func (n *notice) current(now time.Time) (current *version) {
	if !n.withdrawn.IsZero() && !now.Before(n.withdrawn) || !now.Before(n.hiddenFrom) && now.Before(n.hiddenTo) {
		return nil
	}
	for _, v := range n.versions {
		if v.published.After(now) {
			break
		}
		current = v
	}
	return current
}

// newest returns the response to the query for the newest events: the 500 that were
// published last, in no order.
func (a *api) newest(now time.Time) []*version {
	items := make([]*version, 0, polisen.FullResponse)
	for i := a.published(now) - 1; i >= 0 && len(items) < polisen.FullResponse; i-- {
		if v := a.notices[i].current(now); v != nil {
			items = append(items, v)
		}
	}
	for i := 0; i+7 < len(items); i += 2 {
		items[i], items[i+7] = items[i+7], items[i]
	}
	return items
}

// events returns the response to the query for a day or an hour.
func (a *api) events(dateTime string, now time.Time) (items []*version) {
	for _, n := range a.byDay[dateTime[:len(time.DateOnly)]] {
		if v := n.current(now); v != nil && strings.HasPrefix(v.hour, dateTime) && n.id != 0 {
			items = append(items, v)
		}
	}
	slices.SortStableFunc(items, func(v, u *version) int { return u.notice.versions[0].published.Compare(v.notice.versions[0].published) })
	return items[:min(len(items), polisen.FullResponse)]
}

// spread returns some events of the last six months, like the answer to a query for one
// type of event.
func (a *api) spread(d *draw, now time.Time) (items []*version) {
	all := a.published(now)
	for i := d.pick(2); i < all; i += 2 { // every second one of the old events
		if i >= oldEvents {
			i += all / 40
		}
		if v := a.notices[min(i, all-1)].current(now); v != nil && v.notice.id != 0 {
			items = append(items, v)
		}
	}
	return items
}

// published returns the number of notices that were published before a time.
func (a *api) published(now time.Time) int {
	n, _ := slices.BinarySearchFunc(a.notices, now, func(n *notice, now time.Time) int {
		return cmp.Or(n.versions[0].published.Compare(now), -1)
	})
	return n
}

// body returns a response of the items.
func body(items []*version) []byte {
	var b bytes.Buffer
	b.Grow(100 * len(items))
	b.WriteByte('[')
	for i, v := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(v.raw)
	}
	b.WriteByte(']')
	return b.Bytes()
}

// answer is an answer of the API to one call of a process.
type answer struct {
	polisentest.Answer
	fault string     // empty for the right answer
	items []*version // the items of a whole answer
	// upTo is the time up to which an answer to the query for the newest events has all
	// that were published; zero if it is another answer.
	upTo time.Time
	// made is the time at which the API made the answer.
	made time.Time
}

// answerTo returns the answer to a call for a query at the time now. The chance is that of
// a fault.
func (a *api) answerTo(dateTime string, now time.Time, d *draw, chance float64) answer {
	right := answer{made: now}
	if dateTime == "" {
		right.items, right.upTo = a.newest(now), now
	} else {
		right.items = a.events(dateTime, now)
	}
	if !d.chance(chance) {
		return right
	}
	switch d.pick(11) {
	case 0, 1:
		status := []int{500, 502, 503, 504}[d.pick(4)]
		return answer{Answer: polisentest.Status(status), fault: fmt.Sprint("status ", status)}
	case 2:
		seconds := fmt.Sprint(1 + d.pick(120))
		return answer{Answer: polisentest.RetryAfter(http.StatusTooManyRequests, seconds), fault: "429, Retry-After " + seconds}
	case 3:
		return answer{Answer: polisentest.Answer{Reset: true}, fault: "connection reset"}
	case 4:
		right.Truncate, right.fault, right.upTo = 1+d.pick(2000), "cut", time.Time{}
		return right
	case 5:
		return answer{fault: "empty body"}
	case 6:
		if len(dateTime) > len(time.DateOnly) { // see "Limits" in PROTOCOL.md of package archive
			return answer{fault: "empty body"}
		}
		return answer{Answer: polisentest.OK(), fault: "no items"}
	case 7:
		right.Delay, right.fault = d.between(10*time.Second, 100*time.Second), "slow"
		return right
	case 8:
		return answer{items: a.spread(d, now), fault: "mismatched"}
	case 9: // the answer to another query, or an older one
		ago := d.between(time.Hour, 6*24*time.Hour)
		past, older := now.Add(-ago), fmt.Sprint("the answer of ", ago.Round(time.Minute), " ago")
		// A program cannot notice the older answer for an earlier day.
		if dateTime == archive.Today(now).String() && d.chance(0.7) {
			return answer{items: a.events(dateTime, past), fault: older}
		}
		if dateTime != "" {
			return answer{items: a.newest(now), fault: "the newest events"}
		}
		// It has no event dated after it: see "Limits" in PROTOCOL.md of package archive.
		items := slices.DeleteFunc(a.newest(past), func(v *version) bool { return v.time.After(past) })
		return answer{items: items, fault: older, made: past}
	default:
		if dateTime == "" {
			return answer{Answer: polisentest.Answer{Body: []byte("<html><title>Underhåll</title></html>")}, fault: "a web page"}
		}
		return answer{Answer: polisentest.Status(http.StatusNotFound), fault: "status 404"}
	}
}
