/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl doctor: what was found. */
#include <stdarg.h>
#include <string.h>

#include "fuse/doctor.h"
#include "fuse/util.h"

static void add(struct doctor *doctor, const struct finding *finding)
{
	struct finding *more = reallocarray(doctor->findings, doctor->n_findings + 1,
					    sizeof(*doctor->findings));

	if (more)
		doctor->findings = more;
	if (!more || !finding->object || !finding->detail) {
		doctor->no_memory = true;
		free(finding->object);
		free(finding->detail);
		return;
	}
	more[doctor->n_findings++] = *finding;
}

static char *format_detail(const char *format, va_list arguments)
{
	char *detail;

	return vasprintf(&detail, format, arguments) < 0 ? NULL : detail;
}

void doctor_found(struct doctor *doctor, const struct doctor_check *check,
		  const char *object, const char *format, ...)
{
	struct finding finding = { .check = check, .object = strdup(object) };
	va_list arguments;

	va_start(arguments, format);
	finding.detail = format_detail(format, arguments);
	va_end(arguments);
	add(doctor, &finding);
}

void doctor_unknown(struct doctor *doctor, const struct doctor_check *check,
		    const char *object, const char *format, ...)
{
	struct finding finding = { check, true, strdup(object), NULL };
	va_list arguments;

	va_start(arguments, format);
	finding.detail = format_detail(format, arguments);
	va_end(arguments);
	add(doctor, &finding);
}

void doctor_unreadable(struct doctor *doctor, const struct doctor_check *check,
		       const char *object, int error)
{
	doctor_unknown(doctor, check, object, "%s%s", strerrordesc_np(-error),
		       error == -EACCES || error == -EPERM ? "; run it as root" : "");
}

void doctor_fini(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_findings; i++) {
		free(doctor->findings[i].object);
		free(doctor->findings[i].detail);
	}
	free(doctor->findings);
	free(doctor->own_policy_file);
	people_fini(&doctor->people);
	policy_unref(doctor->policy);
	shares_fini(&doctor->shares);
}
