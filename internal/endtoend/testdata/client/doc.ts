// What a TypeScript client has of the OpenAPI document: the types of a list, of a body, of an error.
import type { components, paths } from "./api";

type Orgs = paths["/api/v1/orgs"]["get"]["responses"]["200"]["content"]["application/json"];
type NewOrg = components["schemas"]["OrgCreate"];
type Problem = components["schemas"]["Problem"];

export const slugs = (orgs: Orgs): string[] => (orgs.items ?? []).map((org) => org.slug);
export const acme: NewOrg = { slug: "acme", name: "Acme Inc" };
export const said = (problem: Problem): string => problem.detail;

// @ts-expect-error an org has a slug
export const nameless: NewOrg = { name: "Acme Inc" };
// @ts-expect-error there is no such status
export const gone: components["schemas"]["Org"]["status"] = "vanished";
