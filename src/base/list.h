/*
 * list.h: a circular doubly linked list whose links live in its members. Adding and removing are
 * O(1) and never allocate. One thread at a time.
 */
#ifndef TN_BASE_LIST_H
#define TN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tn_list {
    struct tn_list *next, *prev;
};

/*
 * The struct that `member` is a part of. A macro because C has no other way to name a type and a
 * field.
 */
#define TN_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void tn_list_init(struct tn_list *list)
{
    list->next = list->prev = list;
}
static inline bool tn_list_empty(const struct tn_list *list)
{
    return list->next == list;
}

/* A link that was initialised or removed, and is in no list. */
static inline bool tn_list_unlinked(const struct tn_list *link)
{
    return link->next == link;
}

static inline void tn_list_insert_before(struct tn_list *where, struct tn_list *link)
{
    link->prev = where->prev;
    link->next = where;
    where->prev->next = link;
    where->prev = link;
}

static inline void tn_list_append(struct tn_list *list, struct tn_list *link)
{
    tn_list_insert_before(list, link);
}
static inline void tn_list_prepend(struct tn_list *list, struct tn_list *link)
{
    tn_list_insert_before(list->next, link);
}

/* Leaves the link unlinked, so that removing twice is harmless. */
static inline void tn_list_remove(struct tn_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    tn_list_init(link);
}

/* The first link, taken out of the list; NULL when the list is empty. */
static inline struct tn_list *tn_list_take_first(struct tn_list *list)
{
    struct tn_list *first = list->next;
    if (first == list) {
        return NULL;
    }
    tn_list_remove(first);
    return first;
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void tn_list_splice(struct tn_list *to, struct tn_list *from)
{
    if (tn_list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    tn_list_init(from);
}

#endif
