import type { Physical } from "./intrinsics.ts";
import type { Assembly } from "./template.ts";

export const ACCOUNT = "123456789012";
export const REGION = "eu-west-1";
export const STACK_NAME = "proof";
/** Of the stacks that the harness writes itself. */
export const DATABASE_NAME = "application";
export const STACK_ID = `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${STACK_NAME}/0123`;

/** The secret of a role. */
export const ROLE_SECRET_ARN = `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:role-AbCdEf`;

/** What the template only refers to. */
export interface Outside {
  readonly host: string;
  readonly port: number;
  readonly secretArn: string;
}

const PSEUDO: Readonly<Record<string, string>> = {
  "AWS::AccountId": ACCOUNT,
  "AWS::Region": REGION,
  "AWS::Partition": "aws",
  "AWS::StackName": STACK_NAME,
  "AWS::StackId": STACK_ID,
  "AWS::URLSuffix": "amazonaws.com",
};

/** Names and addresses of a stack's resources: the same ones for every version of the stack. */
export function physicalNames(
  assembly: Assembly,
  outside: Outside,
  data: Readonly<Record<string, string>>,
): Physical {
  const typeOf = (id: string) => {
    const resource = assembly.resources[id];
    if (resource === undefined) throw new Error(`the template refers to ${id}, which it does not have`);
    return resource.Type;
  };
  return {
    ref(name) {
      if (name === "AWS::NoValue") return undefined;
      const known = PSEUDO[name] ?? assembly.parameters[name]?.Default;
      return known ?? nameOf(typeOf(name), name, outside);
    },
    attribute(id, attribute) {
      const type = typeOf(id);
      if (attribute === "Endpoint.Address") return outside.host;
      if (attribute === "Endpoint.Port") return String(outside.port);
      if (id === assembly.customResource.logicalId) return data[attribute] ?? "";
      if (attribute === "Arn") return arnOf(type, id, outside);
      return `${id}.${attribute}`;
    },
  };
}

function nameOf(type: string, id: string, { secretArn }: Outside): string {
  if (type === "AWS::SecretsManager::Secret" && id.startsWith("Role")) return ROLE_SECRET_ARN;
  if (type.startsWith("AWS::SecretsManager::Secret")) return secretArn;
  if (type === "AWS::Logs::LogGroup") return `/${STACK_NAME}/${id}`;
  if (type === "AWS::StepFunctions::StateMachine") {
    return `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:${STACK_NAME}-${id}`;
  }
  if (type === "AWS::SNS::Topic") return `arn:aws:sns:${REGION}:${ACCOUNT}:${STACK_NAME}-${id}`;
  return `${STACK_NAME}-${id}`;
}

function arnOf(type: string, id: string, outside: Outside): string {
  const name = nameOf(type, id, outside);
  if (name.startsWith("arn:")) return name;
  if (type === "AWS::S3::Bucket") return `arn:aws:s3:::${name}`;
  if (type === "AWS::Lambda::Function") return `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`;
  return `arn:aws:${type.split("::")[1]?.toLowerCase()}:${REGION}:${ACCOUNT}:${name}`;
}
