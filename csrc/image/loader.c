/* The prefetching loader. Images are handed out one by one to the workers; a ring of slots holds the batches under way. A slot
 * is filled by several workers, each writing its own rows, and taken by the consumer when all of its images are done. */
#include "pipeline.h"
#include "stages.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_IMAGE (-1) /* in an order: a place of a batch that stays empty */

typedef struct {
  scion_tensor images, indices;
  char **messages; /* for each place in the batch: why it failed, or NULL */
  scion_status failure; /* not SCION_OK: an image failed for a reason that is not its own (not SCION_WORLD), so that the pass cannot go on */
  int64_t failed_place; /* the first such image's place */
  int64_t done;    /* images finished, well or not */
} slot;

struct scion_loader {
  /* set once */
  char *names;   /* all paths in one piece */
  char **paths;  /* into names */
  scion_tensor source; /* or images in memory */
  int64_t count;
  int height, width, workers, ahead;
  uint64_t seed;
  scion_stage *stages;
  int stage_count;
  bool crops; /* a stage makes images of the right size out of decoded ones; else they are resized first */
  double reducing_gap;
  scion_filter filter;
  scion_fit fit;
  unsigned char fit_value;
  scion_decoding decoding;
  scion_image_store *store; /* or NULL */
  bool (*interrupted)(void); /* or NULL */
  /* a pass: written while no thread runs */
  int32_t *order;
  int64_t items, batch;
  uint32_t epoch;
  slot *slots; /* ahead of them; batch b lives in slots[b % ahead] */
  pthread_t *threads;
  int running;
  pid_t process; /* whose threads they are */
  /* guarded by the mutex */
  pthread_mutex_t mutex;
  pthread_cond_t room, ready; /* a slot was taken, or stop; a slot was filled */
  int64_t next_item, next_batch;
  bool stop;
  bool broken_off; /* an interrupt came before all images were begun */
  /* the consumer's own */
  char **failures;
  int32_t *failed;
  int64_t failure_count;
};

/* ---- one image */

typedef struct { /* a worker's memory */
  image_buffer bytes, plain;
  image_pixels decoded;
  image_canvas canvas;
} scratch;

static void scratch_free(scratch *s) {
  image_buffer_free(&s->bytes);
  image_buffer_free(&s->plain);
  image_buffer_free(&s->decoded.memory);
  image_canvas_free(&s->canvas);
}

/* For image_enough: what the stages that run before the first picture is made need. */
typedef struct {
  const scion_loader *loader;
  image_canvas *canvas;
  int stages; /* how many */
  int height, width;
} plan;

static image_enough plan_enough(void *data, int height, int width) {
  plan *p = data;
  p->height = height;
  p->width = width;
  return image_pipeline_enough(p->canvas, p->loader->stages, p->stages, p->loader->reducing_gap, height, width);
}

/* The worker's canvas, for image `index`, whose result goes into `target`. */
static image_canvas *canvas_for(const scion_loader *loader, int32_t index, unsigned char *target, scratch *s) {
  image_canvas *canvas = &s->canvas;
  canvas->seed = loader->seed, canvas->epoch = loader->epoch, canvas->index = (uint32_t)index;
  canvas->filter = loader->filter, canvas->fit = loader->fit, canvas->fit_value = loader->fit_value;
  canvas->target = target, canvas->target_height = loader->height, canvas->target_width = loader->width;
  return canvas;
}

/* Image `index`, changed by the first `stages` of the stages, into `target`. */
static scion_status make_from_source(const scion_loader *loader, int32_t index, int stages, unsigned char *target, scratch *s) {
  image_canvas *canvas = canvas_for(loader, index, target, s);
  if (!loader->paths) {
    int height = (int)loader->source.shape[1], width = (int)loader->source.shape[2];
    image_canvas_set(canvas, (const unsigned char *)loader->source.data + (size_t)index * (size_t)height * (size_t)width * 3, height, width);
  } else {
    plan p = {.loader = loader, .canvas = canvas, .stages = stages};
    image_enough enough = {.of = loader->reducing_gap > 0 ? plan_enough : NULL, .data = &p};
    scion_status status = image_read(loader->paths[index], enough, &loader->decoding, &s->bytes, &s->decoded);
    if (status != SCION_OK) return status;
    image_canvas_set_decoded(canvas, &s->decoded, p.height ? p.height : s->decoded.height, p.width ? p.width : s->decoded.width);
  }
  return image_pipeline_run(canvas, loader->stages, stages);
}

/* Image `index` at the size of the results, before any change, from the store where it is there, and into it where it is not: *plain points
 * to the store's pixels or to `target`. */
static scion_status find_plain(const scion_loader *loader, int32_t index, unsigned char *target, scratch *s,
                               const unsigned char **plain) {
  image_stamp stamp = loader->store ? image_stamp_of(loader->paths[index]) : (image_stamp){0};
  *plain = loader->store ? image_store_get(loader->store, index, &stamp) : NULL;
  if (*plain) return SCION_OK;
  *plain = target;
  scion_status status = make_from_source(loader, index, 0, target, s);
  if (status == SCION_OK && loader->store) image_store_put(loader->store, index, &stamp, target);
  return status;
}

static scion_status make(const scion_loader *loader, int32_t index, unsigned char *target, scratch *s) {
  size_t bytes = (size_t)loader->height * (size_t)loader->width * 3;
  const unsigned char *plain;
  if (loader->crops) return make_from_source(loader, index, loader->stage_count, target, s);
  if (!loader->stage_count) {
    scion_status status = find_plain(loader, index, target, s, &plain);
    if (status == SCION_OK && plain != target) memcpy(target, plain, bytes);
    return status;
  }
  scion_status status = image_buffer_reserve(&s->plain, bytes);
  if (status == SCION_OK) status = find_plain(loader, index, s->plain.data, s, &plain);
  if (status != SCION_OK) return status;
  image_canvas *canvas = canvas_for(loader, index, target, s);
  image_canvas_set(canvas, plain, loader->height, loader->width);
  return image_pipeline_run(canvas, loader->stages, loader->stage_count);
}

/* ---- the workers */

static char no_memory[] = "out of memory: the reason cannot be kept";

static void message_free(char *message) {
  if (message != no_memory) free(message);
}

static int64_t batches(const scion_loader *loader) { return loader->batch ? scion_divide_up(loader->items, loader->batch) : 0; }

static int64_t batch_size(const scion_loader *loader, int64_t b) {
  int64_t left = loader->items - b * loader->batch;
  return left < loader->batch ? left : loader->batch;
}

static void *worker(void *argument) {
  scion_loader *loader = argument;
  scratch s = {0};
  pthread_mutex_lock(&loader->mutex);
  for (;;) {
    while (!loader->stop && !loader->broken_off && loader->next_item < loader->items && loader->next_item / loader->batch >= loader->next_batch + loader->ahead)
      pthread_cond_wait(&loader->room, &loader->mutex);
    if (loader->stop || loader->broken_off || loader->next_item >= loader->items) break;
    if (loader->interrupted && loader->interrupted()) {
      loader->broken_off = true;
      pthread_cond_broadcast(&loader->room);
      pthread_cond_signal(&loader->ready);
      break;
    }
    int64_t item = loader->next_item++, b = item / loader->batch, place = item % loader->batch;
    pthread_mutex_unlock(&loader->mutex);
    slot *mine = &loader->slots[b % loader->ahead];
    size_t bytes = (size_t)loader->height * (size_t)loader->width * 3;
    int32_t index = loader->order[item];
    ((int32_t *)mine->indices.data)[place] = index;
    scion_status status = index == NO_IMAGE ? SCION_OK : make(loader, index, (unsigned char *)mine->images.data + (size_t)place * bytes, &s);
    if (status != SCION_OK) {
      mine->messages[place] = strdup(scion_error_message());
      if (!mine->messages[place]) mine->messages[place] = no_memory;
    }
    pthread_mutex_lock(&loader->mutex);
    if (status != SCION_OK && status != SCION_WORLD && (mine->failure == SCION_OK || place < mine->failed_place))
      mine->failure = status, mine->failed_place = place;
    if (++mine->done == batch_size(loader, b)) pthread_cond_signal(&loader->ready);
  }
  pthread_mutex_unlock(&loader->mutex);
  scratch_free(&s);
  return NULL;
}

static scion_status start_threads(scion_loader *loader) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* a signal is for the threads that the program had, not for a worker */
  loader->process = getpid();
  while (loader->running < loader->workers && pthread_create(&loader->threads[loader->running], NULL, worker, loader) == 0)
    loader->running++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (loader->running == 0) return scion_fail(SCION_NO_MEMORY, "no thread could be started to load images");
  return SCION_OK;
}

static void join_threads(scion_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  loader->stop = true;
  pthread_cond_broadcast(&loader->room);
  pthread_mutex_unlock(&loader->mutex);
  for (int i = 0; i < loader->running; i++) pthread_join(loader->threads[i], NULL);
  loader->running = 0;
  loader->process = 0;
  loader->stop = loader->broken_off = false;
}

/* ---- slots and passes. These functions are called while no worker runs; new_tensors and drop_failures touch nothing of theirs. */

static void drop_failures(scion_loader *loader) {
  for (int64_t i = 0; i < loader->failure_count; i++) message_free(loader->failures[i]);
  loader->failure_count = 0;
}

static void slot_clear(scion_loader *loader, slot *s) {
  scion_tensor_release(&s->images);
  scion_tensor_release(&s->indices);
  for (int64_t i = 0; s->messages && i < loader->batch; i++) {
    message_free(s->messages[i]);
    s->messages[i] = NULL;
  }
}

static scion_status new_tensors(const scion_loader *loader, int64_t b, scion_tensor *images, scion_tensor *indices) {
  int64_t n = batch_size(loader, b);
  *indices = (scion_tensor){.dtype = SCION_I32};
  scion_status status = scion_tensor_new(images, SCION_U8, 4, (int64_t[]){n, loader->height, loader->width, 3});
  if (status == SCION_OK) status = scion_tensor_new(indices, SCION_I32, 1, &n);
  if (status != SCION_OK) scion_tensor_release(images);
  return status;
}

static void end_pass(scion_loader *loader) {
  drop_failures(loader);
  for (int i = 0; i < loader->ahead; i++) {
    slot_clear(loader, &loader->slots[i]);
    free(loader->slots[i].messages);
    loader->slots[i] = (slot){0};
  }
  free(loader->order);
  free(loader->failures);
  free(loader->failed);
  loader->order = NULL, loader->failures = NULL, loader->failed = NULL;
  loader->items = loader->batch = loader->next_item = loader->next_batch = 0;
}

static scion_status prepare_pass(scion_loader *loader, const int32_t *order) {
  loader->order = malloc((size_t)loader->items * sizeof *loader->order + 1);
  loader->failures = calloc((size_t)loader->batch, sizeof *loader->failures);
  loader->failed = calloc((size_t)loader->batch, sizeof *loader->failed);
  if (!loader->order || !loader->failures || !loader->failed)
    return scion_fail(SCION_NO_MEMORY, "out of memory: a pass over %lld images", (long long)loader->items);
  for (int64_t i = 0; i < loader->items; i++) {
    loader->order[i] = order ? order[i] : (int32_t)i;
    if (loader->order[i] < NO_IMAGE || loader->order[i] >= loader->count)
      return scion_fail(SCION_MISUSE, "the order names image %d of %lld", loader->order[i], (long long)loader->count);
  }
  for (int64_t b = 0; b < loader->ahead && b < batches(loader); b++) {
    slot *s = &loader->slots[b];
    s->messages = calloc((size_t)loader->batch, sizeof *s->messages);
    if (!s->messages) return scion_fail(SCION_NO_MEMORY, "out of memory: a batch of %lld images", (long long)loader->batch);
    scion_status status = new_tensors(loader, b, &s->images, &s->indices);
    if (status != SCION_OK) return status;
  }
  return SCION_OK;
}

scion_status scion_loader_start(scion_loader *loader, const int32_t *order, int64_t n, int64_t batch, uint32_t epoch) {
  if (batch < 1 || batch > INT32_MAX) return scion_fail(SCION_MISUSE, "a batch has at least one image, not %lld", (long long)batch);
  if (n < 0 || n > INT32_MAX) return scion_fail(SCION_MISUSE, "a pass has 0 to 2^31-1 images, not %lld", (long long)n);
  if (loader->process && loader->process != getpid())
    return scion_fail(SCION_MISUSE, "this loader was used before the process forked; make a new one");
  scion_loader_stop(loader);
  loader->items = n;
  loader->batch = n < batch && n > 0 ? n : batch;
  loader->epoch = epoch;
  scion_status status = prepare_pass(loader, order);
  if (status == SCION_OK && n > 0) status = start_threads(loader);
  if (status != SCION_OK) scion_loader_stop(loader);
  return status;
}

/* ---- taking a batch */

/* Moves the good images together and the messages of the others to the loader's failures. */
static void compact(scion_loader *loader, slot *s, scion_tensor *images, scion_tensor *indices) {
  size_t bytes = (size_t)loader->height * (size_t)loader->width * 3;
  int32_t *index = indices->data;
  int64_t good = 0;
  for (int64_t i = 0; i < indices->shape[0]; i++) {
    if (index[i] == NO_IMAGE) continue;
    if (s->messages[i]) {
      loader->failures[loader->failure_count] = s->messages[i];
      loader->failed[loader->failure_count++] = index[i];
      s->messages[i] = NULL;
      continue;
    }
    if (good != i) memcpy((unsigned char *)images->data + (size_t)good * bytes, (unsigned char *)images->data + (size_t)i * bytes, bytes);
    index[good++] = index[i];
  }
  images->shape[0] = indices->shape[0] = good;
  indices->row_stride = good;
}

scion_status scion_loader_next(scion_loader *loader, scion_tensor *images, scion_tensor *indices) {
  *images = (scion_tensor){.dtype = SCION_U8};
  *indices = (scion_tensor){.dtype = SCION_I32};
  if (loader->process && loader->process != getpid())
    return scion_fail(SCION_MISUSE, "this loader was used before the process forked; make a new one");
  drop_failures(loader);
  int64_t b = loader->next_batch;
  if (b >= batches(loader)) {
    scion_loader_stop(loader);
    return SCION_OK;
  }
  scion_tensor new_images = {0}, new_indices = {0};
  if (b + loader->ahead < batches(loader)) { /* before anything is taken, so that a failure leaves all as it was */
    scion_status status = new_tensors(loader, b + loader->ahead, &new_images, &new_indices);
    if (status != SCION_OK) return status;
  }
  slot *s = &loader->slots[b % loader->ahead];
  pthread_mutex_lock(&loader->mutex);
  while (s->done < batch_size(loader, b) && !loader->broken_off) pthread_cond_wait(&loader->ready, &loader->mutex);
  bool complete = s->done == batch_size(loader, b);
  if (!complete || s->failure != SCION_OK) {
    pthread_mutex_unlock(&loader->mutex);
    scion_tensor_release(&new_images);
    scion_tensor_release(&new_indices);
    if (complete) return scion_fail(s->failure, "%s", s->messages[s->failed_place]);
    scion_loader_stop(loader);
    return SCION_OK;
  }
  *images = s->images;
  *indices = s->indices;
  compact(loader, s, images, indices);
  s->images = new_images;
  s->indices = new_indices;
  s->done = 0;
  loader->next_batch++;
  pthread_cond_broadcast(&loader->room);
  pthread_mutex_unlock(&loader->mutex);
  return SCION_OK;
}

const char *scion_loader_failure(const scion_loader *loader, int64_t i, int32_t *index) {
  if (i < 0 || i >= loader->failure_count) return NULL;
  *index = loader->failed[i];
  return loader->failures[i];
}

/* ---- life */

void scion_loader_stop(scion_loader *loader) {
  if (loader->process && loader->process != getpid()) return; /* forked: there are no workers, and the mutex may be locked for good */
  join_threads(loader);
  end_pass(loader);
}

static scion_status copy_paths(scion_loader *loader, const char *const *paths) {
  size_t bytes = 1, used = 0;
  for (int64_t i = 0; i < loader->count; i++) bytes += strlen(paths[i]) + 1;
  loader->names = malloc(bytes);
  loader->paths = calloc((size_t)loader->count + 1, sizeof *loader->paths);
  if (!loader->names || !loader->paths)
    return scion_fail(SCION_NO_MEMORY, "out of memory: the names of %lld images", (long long)loader->count);
  for (int64_t i = 0; i < loader->count; i++) {
    size_t length = strlen(paths[i]) + 1;
    loader->paths[i] = memcpy(loader->names + used, paths[i], length);
    used += length;
  }
  return SCION_OK;
}

static scion_status check_options(const scion_loader_options *options) {
  char text[SCION_SHAPE_TEXT];
  const scion_tensor *t = options->images;
  if (options->height < 1 || options->width < 1 || (int64_t)options->height * options->width > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "images cannot be loaded at a size of %dx%d", options->height, options->width);
  if (options->workers < 1 || options->workers > SCION_MAX_THREADS)
    return scion_fail(SCION_MISUSE, "a loader has 1 to %d workers, not %d", SCION_MAX_THREADS, options->workers);
  if (options->ahead < 1 || options->ahead > 1024)
    return scion_fail(SCION_MISUSE, "a loader works 1 to 1024 batches ahead, not %d", options->ahead);
  if (options->count < 0 || options->count > INT32_MAX) return scion_fail(SCION_MISUSE, "a loader has 0 to 2^31-1 images");
  if (!(options->reducing_gap == 0 || (options->reducing_gap >= 1 && options->reducing_gap <= 1e6)))
    return scion_fail(SCION_MISUSE, "a reducing gap is 0 or a number from 1 up, not %g", options->reducing_gap);
  if ((unsigned)options->filter >= SCION_FILTERS || (unsigned)options->fit >= SCION_FITS)
    return scion_fail(SCION_MISUSE, "there is no such filter or fit");
  if (options->store && (!options->paths || !image_store_fits(options->store, options->count, options->height, options->width)))
    return scion_fail(SCION_MISUSE, "the store of images is one for other images");
  scion_status status = image_stages_check(options->stages, options->stage_count);
  if (status != SCION_OK || options->paths) return status;
  if (!t || t->dtype != SCION_U8 || t->dims != 4 || t->shape[3] != 3 || !scion_tensor_contiguous(t) || t->shape[0] != options->count ||
      (options->count > 0 && (t->shape[1] < 1 || t->shape[2] < 1 || t->shape[1] * t->shape[2] > SCION_MAX_PIXELS)))
    return scion_fail(SCION_MISUSE, "images in memory are a contiguous u8 tensor NxHxWx3, not %s",
                      t ? scion_shape_text(t, text, sizeof text) : "nothing");
  return SCION_OK;
}

scion_status scion_loader_new(scion_loader **result, const scion_loader_options *options) {
  *result = NULL;
  scion_status status = check_options(options);
  if (status != SCION_OK) return status;
  scion_loader *loader = calloc(1, sizeof *loader);
  if (!loader) return scion_fail(SCION_NO_MEMORY, "out of memory: a loader");
  *loader = (scion_loader){.count = options->count, .height = options->height, .width = options->width, .workers = options->workers,
                           .ahead = options->ahead, .seed = options->seed, .stage_count = options->stage_count};
  loader->reducing_gap = options->reducing_gap;
  loader->filter = options->filter, loader->fit = options->fit, loader->fit_value = options->fit_value;
  loader->crops = image_stages_crop(options->stages, options->stage_count);
  loader->decoding = options->decoding;
  loader->store = options->store, loader->interrupted = options->interrupted;
  if (loader->store) image_store_retain(loader->store);
  pthread_mutex_init(&loader->mutex, NULL);
  pthread_cond_init(&loader->room, NULL);
  pthread_cond_init(&loader->ready, NULL);
  if (options->images && !options->paths) {
    loader->source = *options->images;
    scion_storage_retain(loader->source.storage);
  }
  loader->slots = calloc((size_t)loader->ahead, sizeof *loader->slots);
  loader->threads = calloc((size_t)loader->workers, sizeof *loader->threads);
  loader->stages = calloc((size_t)loader->stage_count + 1, sizeof *loader->stages);
  if (loader->stages && loader->stage_count) memcpy(loader->stages, options->stages, (size_t)loader->stage_count * sizeof *loader->stages);
  if (!loader->slots || !loader->threads || !loader->stages) status = scion_fail(SCION_NO_MEMORY, "out of memory: a loader");
  if (status == SCION_OK && options->paths) status = copy_paths(loader, options->paths);
  if (status != SCION_OK) {
    scion_loader_free(loader);
    return status;
  }
  *result = loader;
  return SCION_OK;
}

int64_t scion_loader_count(const scion_loader *loader) { return loader->count; }

void scion_loader_free(scion_loader *loader) {
  if (!loader || (loader->process && loader->process != getpid())) return;
  if (loader->slots) scion_loader_stop(loader);
  scion_storage_release(loader->source.storage);
  scion_image_store_release(loader->store);
  pthread_mutex_destroy(&loader->mutex);
  pthread_cond_destroy(&loader->room);
  pthread_cond_destroy(&loader->ready);
  free(loader->names);
  free(loader->paths);
  free(loader->slots);
  free(loader->threads);
  free(loader->stages);
  free(loader);
}
