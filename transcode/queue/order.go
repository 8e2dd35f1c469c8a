package queue

import "container/list"

// recency keeps tasks in the order of their last change, the latest first. It orders
// them by revision, which is the same for all agents of a queue, whatever their clocks
// say. It is not safe for concurrent use.
type recency struct {
	tasks list.List // of *Task, which are no longer changed
	at    map[string]*list.Element
}

// put adds a task, or replaces its earlier version.
func (r *recency) put(t *Task) {
	r.drop(t.ID)
	next := r.tasks.Front()
	for next != nil && next.Value.(*Task).Rev > t.Rev { // written later, but seen first
		next = next.Next()
	}
	if r.at == nil {
		r.at = map[string]*list.Element{}
	}
	if next == nil {
		r.at[t.ID] = r.tasks.PushBack(t)
	} else {
		r.at[t.ID] = r.tasks.InsertBefore(t, next)
	}
}

// drop removes a task.
func (r *recency) drop(id string) {
	if e := r.at[id]; e != nil {
		r.tasks.Remove(e)
		delete(r.at, id)
	}
}

// all returns the tasks, the latest change first.
func (r *recency) all() []*Task {
	all := make([]*Task, 0, r.tasks.Len())
	for e := r.tasks.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*Task))
	}
	return all
}
