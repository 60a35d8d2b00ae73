// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccounts, Position, Trader} from "./interfaces/IAccounts.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {POSITIONS, TRADERS} from "./libraries/Slots.sol";

/// @title Traders, deposits and energy claims
abstract contract Accounts is IAccounts {
    IConsortium public immutable consortium;
    uint32 public traderCount;

    /// @dev A name is its master's: another master that registers the same bytes gets an account of its own.
    mapping(uint16 masterId => mapping(bytes32 pseudonym => uint32 trader)) public traderOf;
    uint128 private _credited;
    uint128 private _debited;

    constructor(IConsortium consortium_) {
        consortium = consortium_;
    }

    function registerTraders(bytes32[] calldata pseudonyms, uint8[] calldata zones) external returns (uint32 first) {
        if (pseudonyms.length != zones.length) revert LengthsDiffer();
        uint16 masterId = consortium.activeMasterId(msg.sender);
        mapping(bytes32 pseudonym => uint32) storage own = traderOf[masterId];
        first = traderCount + 1;
        for (uint256 i; i < pseudonyms.length; ++i) {
            bytes32 pseudonym = pseudonyms[i];
            if (pseudonym == 0 || own[pseudonym] != 0) revert PseudonymNotFree(pseudonym);
            uint32 number = ++traderCount;
            own[pseudonym] = number;
            Trader storage account = _account(number);
            (account.masterId, account.zone) = (masterId, zones[i]);
            emit TraderRegistered(number, masterId, pseudonym, zones[i]);
        }
    }

    function deposit(uint32[] calldata traders, uint96[] calldata moneys, bytes32 paymentReference) external {
        _requireSettlementAgent();
        if (traders.length != moneys.length) revert LengthsDiffer();
        uint128 sum;
        for (uint256 i; i < traders.length; ++i) {
            _known(traders[i]).freeMoney += moneys[i];
            sum += moneys[i];
            emit Deposited(traders[i], moneys[i], paymentReference);
        }
        _credited += sum;
    }

    function withdraw(uint32 number, uint96 money, bytes32 paymentReference) external {
        _requireSettlementAgent();
        _spend(number, money);
        _debited += money;
        emit Withdrawn(number, money, paymentReference);
    }

    function moveDeposit(uint32 from, uint32 to, uint96 money) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        _requireBelow(masterId, from);
        _requireBelow(masterId, to);
        _spend(from, money);
        _account(to).freeMoney += money;
        emit DepositMoved(from, to, money);
    }

    function setQuotas(uint24[] calldata periods, uint32[] calldata traders, uint48[] calldata quotasWh) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        if (periods.length != traders.length || traders.length != quotasWh.length) revert LengthsDiffer();
        for (uint256 i; i < traders.length; ++i) {
            _requireBelow(masterId, traders[i]);
            Position storage claims = _claims(traders[i], periods[i]);
            uint48 committedWh = claims.heldWh + claims.soldWh;
            if (quotasWh[i] < committedWh) revert QuotaTooSmall(traders[i], periods[i], committedWh);
            claims.quotaWh = quotasWh[i];
            emit QuotaSet(traders[i], periods[i], quotasWh[i]);
        }
    }

    function trader(uint32 number) external view returns (Trader memory) {
        return _known(number);
    }

    function position(uint32 number, uint24 period) external view returns (Position memory) {
        _known(number);
        return _claims(number, period);
    }

    function moneyMoved() external view returns (uint128 credited, uint128 debited) {
        return (_credited, _debited);
    }

    function _account(uint32 number) internal pure returns (Trader storage account) {
        uint256 slot = TRADERS | number;
        assembly ("memory-safe") {
            account.slot := slot
        }
    }

    function _claims(uint32 number, uint24 period) internal pure returns (Position storage claims) {
        uint256 slot = POSITIONS | uint256(number) << 24 | period;
        assembly ("memory-safe") {
            claims.slot := slot
        }
    }

    function _known(uint32 number) private view returns (Trader storage known) {
        known = _account(number);
        if (known.masterId == 0) revert UnknownTrader(number);
    }

    function _spend(uint32 number, uint96 money) private {
        Trader storage known = _known(number);
        if (known.freeMoney < money) revert NotEnoughMoney(number, known.freeMoney, money);
        known.freeMoney -= money;
    }

    function _requireBelow(uint16 masterId, uint32 number) private view {
        if (_known(number).masterId != masterId) revert NotYourTrader(number);
    }

    function _requireSettlementAgent() private view {
        if (consortium.activeMasterId(msg.sender) != consortium.settlementAgent()) {
            revert NotSettlementAgent(msg.sender);
        }
    }
}
